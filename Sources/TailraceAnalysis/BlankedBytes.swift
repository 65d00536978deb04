// SPDX-License-Identifier: MIT
import TailraceModel

/// Bytes of the payload, blanked in place: what decides where a message ends stays, and what of it is shown. Lengths, line
/// breaks and everything that `HTTPHead` and `ChunkedBody` make of them stay the same.
struct BlankedBytes {
    private let bytes: UnsafeMutableRawBufferPointer
    /// What stands for a blanked byte: no method, no digit, no end of anything.
    private static let blank: UInt8 = 0x78

    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    var count: Int { bytes.count }

    subscript(range: Range<Int>) -> BlankedBytes {
        BlankedBytes(UnsafeMutableRawBufferPointer(rebasing: bytes[range]))
    }

    /// As the parsers read them.
    private var text: HeadBytes { HeadBytes(bytes) }

    private func text(_ range: Range<Int>) -> HeadBytes { HeadBytes(rebasing: text[range]) }

    /// All of it.
    func blankAll() { blank(0..<bytes.count) }

    private func blank(_ range: Range<Int>) {
        guard !range.isEmpty, let base = bytes.baseAddress else { return }
        (base + range.lowerBound).initializeMemory(as: UInt8.self, repeating: Self.blank, count: range.count)
    }

    /// The lines, each with its LF; the last one may have none.
    private func eachLine(_ take: (Range<Int>) -> Void) {
        var start = 0
        while start < bytes.count {
            let end = text(start..<bytes.count).position(of: 0x0a).map { start + $0 + 1 } ?? bytes.count
            take(start..<end)
            start = end
        }
    }

    private func isWhole(_ line: Range<Int>) -> Bool { bytes[line.upperBound - 1] == 0x0a }

    /// Without its line break, or what is there of it.
    private func content(_ line: Range<Int>) -> Range<Int> {
        let end = isWhole(line) ? line.upperBound - 1 : line.upperBound
        return line.lowerBound..<(end > line.lowerBound && bytes[end - 1] == 0x0d ? end - 1 : end)
    }

    /// A request's head, or the beginning of one.
    func blankRequestHead(hidingPath hidesPath: Bool) {
        var isFirst = true
        eachLine { line in
            if isFirst { blankRequestLine(line, hidingPath: hidesPath) } else { blankField(line) }
            isFirst = false
        }
    }

    /// A response's head, or the beginning of one.
    func blankResponseHead() {
        var isFirst = true
        eachLine { line in
            let content = content(line)
            if isFirst {
                blank(min(content.lowerBound + 12, content.upperBound)..<content.upperBound)
            } else {
                blankField(line)
            }
            isFirst = false
        }
    }

    /// Keeps method, path and version. Of a path that is hidden not even the `/` stays: what is left is no path for `HTTPHead`.
    private func blankRequestLine(_ line: Range<Int>, hidingPath hidesPath: Bool) {
        let content = content(line)
        let isWhole = isWhole(line)
        guard let space = text(content).position(of: 0x20) else { return }
        let target = (content.lowerBound + space + 1)..<content.upperBound
        let targetEnd = text(target).position(of: 0x20).map { target.lowerBound + $0 } ?? target.upperBound
        if hidesPath {
            blank(target.lowerBound..<targetEnd)
        } else {
            blankTarget(target.lowerBound..<targetEnd, isWhole: isWhole || targetEnd < target.upperBound)
        }
        guard targetEnd < target.upperBound else { return }
        let version = text((targetEnd + 1)..<target.upperBound)
        // What follows the version, and what is none.
        let kept =
            version.hasPrefix("HTTP/1.") || version.hasPrefix("HTTP/2.0") ? 8 : isWhole ? 0 : versionPrefix(version)
        blank(min(targetEnd + 1 + kept, target.upperBound)..<target.upperBound)
    }

    /// Bytes of a version that is not there as a whole.
    private func versionPrefix(_ version: HeadBytes) -> Int {
        let known: StaticString = "HTTP/1."
        let same = zip(version, UnsafeBufferPointer(start: known.utf8Start, count: 7)).prefix { $0 == $1 }.count
        return same == version.count ? same : 0
    }

    /// As `HTTPHead.path(of:)` walks through it: no query, no fragment, no authority.
    private func blankTarget(_ target: Range<Int>, isWhole: Bool) {
        let path = HTTPHead.path(of: text(target))
        let start = path.isEmpty ? target.upperBound : target.lowerBound + (path.startOffset(in: text(target)))
        let end = start + path.count
        var scheme = target.lowerBound..<target.lowerBound
        if bytes[target].first != 0x2f, let colon = text(target).position(of: 0x3a) {
            let behind = text((target.lowerBound + colon + 1)..<target.upperBound)
            let slashes = behind.prefix(2).prefix { $0 == 0x2f }.count
            if slashes == 2 || !isWhole && behind.count == slashes {
                scheme = (target.lowerBound + colon)..<(target.lowerBound + colon + 1 + slashes)
            }
        }
        blank(target.lowerBound..<min(scheme.isEmpty ? start : scheme.lowerBound, start))
        if !scheme.isEmpty { blank(scheme.upperBound..<max(scheme.upperBound, start)) }
        // What ends a path is kept.
        blank(min(end + 1, target.upperBound)..<target.upperBound)
    }

    /// Keeps what frames or names a body.
    private func blankField(_ line: Range<Int>) {
        let content = content(line)
        let own = text(content)
        guard !own.isEmpty else { return }
        if let value = HTTPHead.value(of: "content-length", in: own) {
            keep(value.startOffset(in: text)..<content.upperBound) { (0x30...0x39).contains($0) }
        } else if let value = HTTPHead.value(of: "transfer-encoding", in: own) {
            keep(value.startOffset(in: text)..<content.upperBound) { (0x61...0x7a).contains($0 | 0x20) || $0 == 0x2c }
        } else if let value = HTTPHead.value(of: "content-type", in: own) {
            let media = value.position(of: 0x3b) ?? value.count
            blank(min(value.startOffset(in: text) + media + 1, content.upperBound)..<content.upperBound)
        } else if isWhole(line) || !HTTPHead.mayBecomeField(own) {
            blankLine(content)
        }
    }

    private func keep(_ range: Range<Int>, _ isKept: (UInt8) -> Bool) {
        for index in range where !isKept(bytes[index]) && bytes[index] != 0x20 && bytes[index] != 0x09 {
            bytes[index] = Self.blank
        }
    }

    /// Keeps the colon of a field, and the digits of the last chunk.
    private func blankLine(_ line: Range<Int>) {
        let own = text(line)
        let colon = ChunkedBody.isField(own) ? own.position(of: 0x3a) : nil
        if ChunkedBody.size(of: own) == 0 { return blankExtensions(line) }
        blank(line)
        if let colon { bytes[line.lowerBound + colon] = 0x3a }
    }

    /// Of bytes that may be the end of a body in chunks: line breaks, which lines are fields, and the last chunk.
    func blankLines() { eachLine { blankLine(content($0)) } }

    /// A body in chunks: their sizes stay. False: it is none, and nothing was blanked.
    func blankChunks() -> Bool {
        if ChunkedBody.walk(text) == .broken { return false }
        var start = 0
        while let lineEnd = text(start..<bytes.count).position(of: 0x0a) {
            let line = start..<(start + lineEnd)
            guard let size = ChunkedBody.size(of: text(line)) else { break }
            blankExtensions(line)
            start += lineEnd + 1
            if size == 0 {
                self[start..<bytes.count].blankLines()
                return true
            }
            guard size < bytes.count - start - 1 else {
                blank(start..<bytes.count)
                return true
            }
            blank(start..<(start + size))
            start += size + 2
        }
        let rest = start..<bytes.count
        if ChunkedBody.size(of: text(rest)) != nil { blankExtensions(rest) } else { blank(rest) }
        return true
    }

    /// Behind a chunk's size and what ends that.
    private func blankExtensions(_ line: Range<Int>) {
        let own = text(line)
        let end = own.firstIndex { $0 == 0x0d || $0 == 0x3b } ?? own.count
        let last = line.count > end + 1 && own[own.count - 1] == 0x0d ? line.upperBound - 1 : line.upperBound
        blank(min(line.lowerBound + end + 1, last)..<last)
    }
}

extension HeadBytes {
    /// Where these bytes, a part of `whole`, begin in it.
    fileprivate func startOffset(in whole: HeadBytes) -> Int {
        guard let base = baseAddress, let wholeBase = whole.baseAddress else { return 0 }
        return base - wholeBase
    }
}
