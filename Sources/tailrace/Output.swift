// SPDX-License-Identifier: MIT
import Glibc

/// Whoever read the output has gone: the run ends quietly, as `head` expects.
struct OutputClosed: Error {}

/// Writes whole buffers to a descriptor.
struct Output {
    private let descriptor: Int32
    private let name: String
    private var pending: [UInt8] = []

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        name = "the output"
    }

    /// A file, emptied if it is there.
    init(file path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw Failure(
                "cannot create \(path): \(String(cString: strerror(errno))); give a path that may be written (-o)")
        }
        self.descriptor = descriptor
        name = path
    }

    /// Whether both paths lead to one file, which would be emptied before it is read.
    static func isSameFile(_ path: String, _ other: String) -> Bool {
        var (one, two) = (stat(), stat())
        return stat(path, &one) == 0 && stat(other, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino
    }

    mutating func append(_ bytes: [UInt8]) { pending.append(contentsOf: bytes) }

    mutating func append(_ text: String) { pending.append(contentsOf: text.utf8) }

    /// Writes what was appended, in whole lines.
    mutating func flush() throws {
        guard !pending.isEmpty else { return }
        defer { pending.removeAll(keepingCapacity: true) }
        if !Output.write(pending, to: descriptor) {
            if errno == EPIPE { throw OutputClosed() }
            throw Failure("cannot write \(name): \(String(cString: strerror(errno)))")
        }
    }

    /// The last word of the system on what was written.
    func close() throws {
        if Glibc.close(descriptor) != 0 { throw Failure("cannot write \(name): \(String(cString: strerror(errno)))") }
    }

    /// False: it failed, errno says why.
    @discardableResult
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// It failed: exit code 1, and this sentence.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Columns of the terminal, 80 where it does not say.
func terminalWidth() -> Int {
    var size = winsize()
    return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
}
