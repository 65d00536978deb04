// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel
import TailraceOutput

@testable import TailraceCapture

/// A recording as it is, and once more with every checksum made right, as somebody makes it who knows the format. The same
/// bytes tell the same, twice.
enum RecordingCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        var bytes = Array(bytes)
        if let wrong = twice(bytes) { return wrong }
        return sign(&bytes) > 0 ? twice(bytes).map { "signed: " + $0 } : nil
    }

    private static func twice(_ bytes: [UInt8]) -> String? {
        let first = replay(bytes)
        guard first.wrong == nil else { return first.wrong }
        let second = replay(bytes)
        return first.fingerprint == second.fingerprint ? nil : "two replays tell two things"
    }

    /// In memory, and without a name.
    private static let file: Int32 = {
        var template = Array("/dev/shm/tailrace-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        unlink(template)
        return descriptor
    }()

    private static func replay(_ bytes: [UInt8]) -> (fingerprint: UInt64, wrong: String?) {
        let descriptor = file
        guard ftruncate(descriptor, 0) == 0,
            bytes.withUnsafeBytes({ pwrite(descriptor, $0.baseAddress, $0.count, 0) }) == bytes.count
        else { fatalError("no file for a recording") }
        do throws(CaptureError) {
            return try replay(RecordingSource(path: "/proc/self/fd/\(descriptor)"), bytes.count)
        } catch {
            return (0, Harmless.wrong(in: error.description, isLines: true))
        }
    }

    private static func replay(
        _ source: RecordingSource, _ size: Int
    ) throws(CaptureError) -> (fingerprint: UInt64, wrong: String?) {
        let recorded = source.description
        var run = RunDescription(
            version: recorded.version, host: recorded.host, kernel: recorded.kernel, backend: recorded.backend,
            anchor: recorded.anchor)
        (run.comms, run.cgroups) = (recorded.target.comms, recorded.target.cgroups)
        let engine = Engine(run)
        var now = source.now
        while !source.isAtEnd {
            try source.drain { engine.take($0, anchor: source.anchor) }
            if source.now < now { return (0, "time goes from \(now) to \(source.now)") }
            now = source.now
        }
        engine.end(at: source.now, source.loss())
        let account = source.account
        if account.ending == nil { return (0, "it ended, and nobody knows how") }
        if account.unusedBytes > UInt64(size) { return (0, "\(account.unusedBytes) of \(size) bytes are unused") }
        if (account.firstDamage == nil) != (account.damages == 0) { return (0, "damage without a place") }
        return (engine.fingerprint, engine.wrong)
    }

    /// Makes the checksums of all blocks right. Returns how many were not.
    private static func sign(_ bytes: inout [UInt8]) -> Int {
        var (start, changed) = (0, 0)
        while start + RecordingFormat.headerBytes <= bytes.count {
            guard bytes[start...].starts(with: RecordingFormat.magic) else {
                start += 1
                continue
            }
            let length = max(RecordingFormat.headerBytes, Int(number(bytes, start + 20)))
            let end = min(bytes.count, start + length)
            let payload = bytes[(start + RecordingFormat.headerBytes)..<end].withUnsafeBytes { checksum($0) }
            if store(payload, in: &bytes, start + 64) { changed += 1 }
            if store(bytes[start..<(start + 68)].withUnsafeBytes { checksum($0) }, in: &bytes, start + 68) {
                changed += 1
            }
            start = end
        }
        return changed
    }

    private static func number(_ bytes: [UInt8], _ place: Int) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: UInt32.self)) }
    }

    /// Whether it was another number.
    private static func store(_ number: UInt32, in bytes: inout [UInt8], _ place: Int) -> Bool {
        if self.number(bytes, place) == number { return false }
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: number.littleEndian, toByteOffset: place, as: UInt32.self)
        }
        return true
    }
}
