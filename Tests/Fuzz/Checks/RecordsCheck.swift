// SPDX-License-Identifier: MIT
import CProbes
import TailraceAnalysis
import TailraceModel

@testable import TailraceCapture

extension HeadRedactor: PayloadRedactor {}

/// Records as the ring holds them, through the decoder into the engine; and once more as a recording keeps them.
enum RecordsCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        let (told, kept) = (Engine(isWritten: true), Engine(isWritten: false))
        var (now, keptNow): (Nanoseconds, Nanoseconds) = (0, 0)
        var decoder = Decoder(jiffy: 4_000_000, processes: ProcessLookup(isRecorded: true))
        var redactor = HeadRedactor()
        var wrong: String?
        eachPiece(of: bytes) { piece in
            GuardedBytes.with(piece) { record in
                let original = UnsafeRawBufferPointer(record)
                let isDecoded = take(original, &decoder, told, &now)
                guard let wire = WireRecord(original) else { return }
                if wire.length > record.count { return wrong = "a record of \(record.count) has \(wire.length) bytes" }
                GuardedBytes.with([UInt8](repeating: 0xee, count: wire.length)) { place in
                    wire.store(original, in: place, &redactor)
                    let isKept = take(UnsafeRawBufferPointer(place), &decoder, kept, &keptNow)
                    if isKept != isDecoded { wrong = "decoded: \(isDecoded), and where it was kept: \(isKept)" }
                }
            }
        }
        told.end(at: now)
        kept.end(at: now)
        return wrong ?? told.wrong ?? kept.wrong.map { "kept: " + $0 }
    }

    /// As long as each says that it is, or as there are bytes.
    private static func eachPiece(of bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) -> Void) {
        var rest = bytes
        while !rest.isEmpty {
            let size = rest.count >= 20 ? Int(rest.loadUnaligned(fromByteOffset: 18, as: UInt16.self)) : rest.count
            let length = min(rest.count, max(size, MemoryLayout<ev_header>.size))
            take(UnsafeRawBufferPointer(rebasing: rest[..<length]))
            rest = UnsafeRawBufferPointer(rebasing: rest[min(rest.count, (length + 7) / 8 * 8)...])
        }
    }

    private static func take(
        _ record: UnsafeRawBufferPointer, _ decoder: inout Decoder, _ engine: Engine, _ now: inout Nanoseconds
    ) -> Bool {
        guard let event = decoder.decode(record) else { return false }
        let at = record.loadUnaligned(as: ev_header.self).at_ns & (1 << 61 - 1)
        now = max(now, Nanoseconds(at))
        engine.take(event)
        return true
    }
}
