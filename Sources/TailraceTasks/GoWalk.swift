// SPDX-License-Identifier: MIT

/// One goroutine, as the runtime keeps it.
struct Goroutine {
    let address: UInt64
    let id: UInt64
    let status: UInt32
    /// A number that the release decides on.
    let waitReason: UInt8
    /// When the collection before the one that first met it there ended, ns of CLOCK_MONOTONIC; 0: none has met it.
    let waitsSince: Int64
    let createdAt: UInt64
    let startsAt: UInt64
    /// Who created it; 0: not known.
    let parent: UInt64
    let stackPointer: UInt64
    let stackHigh: UInt64
    let programCounter: UInt64
    let basePointer: UInt64

    static let waiting: UInt32 = 4
    static let dead: UInt32 = 6

    /// As Go's own traces say it.
    static func name(ofStatus status: UInt32) -> String? {
        switch status {
        case 1: "runnable"
        case 2: "running"
        case 3: "syscall"
        case 4: "waiting"
        case 8: "copystack"
        case 9: "preempted"
        case 10: "leaked"
        default: nil
        }
    }

    /// Made and not started, or ended: it is none now.
    static func isNone(_ status: UInt32) -> Bool { status == 0 || status == 6 || status == 11 }
}

extension GoRuntime {
    /// Pieces of memory that are read at once, bytes: goroutines lie close together.
    private static let pieceLength = 65536
    /// What lies between two goroutines that are read at once, at most.
    private static let widestGap: UInt64 = 2048

    /// Looks at all goroutines, those of the runtime too, in the order of memory. Not one moment of the process: it goes on meanwhile.
    ///
    /// `ended`: one that has ended, whose place is not taken yet, and who created it.
    ///
    /// - Returns: false where not all could be read.
    func forEachGoroutine(
        ended: (_ id: UInt64, _ parent: UInt64) -> Void = { _, _ in }, _ body: (Goroutine) -> Void
    ) -> Bool {
        guard let addresses = goroutineAddresses() else { return false }
        let length = layout.goroutine.length
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceLength, alignment: 16)
        defer { buffer.deallocate() }
        var unread = 0
        var first = 0
        while first < addresses.count {
            let begin = addresses[first]
            // An address that cannot be one would overflow below.
            guard begin > 0, begin < 1 << 47 else {
                unread += 1
                first += 1
                continue
            }
            var last = first
            while last + 1 < addresses.count, addresses[last + 1] < 1 << 47,
                addresses[last + 1] - addresses[last] < UInt64(length) + Self.widestGap,
                addresses[last + 1] - begin + UInt64(length) <= UInt64(Self.pieceLength)
            { last += 1 }
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(Int(addresses[last] - begin) + length)])
            if memory.read(at: begin, into: piece) {
                for place in first...last {
                    decode(piece, at: Int(addresses[place] - begin), addresses[place], ended, body)
                }
            } else {
                unread += last - first + 1
            }
            first = last + 1
        }
        // The list may grow under our eyes, and its last entries not be there yet.
        return unread <= addresses.count / 100 + 1
    }

    @inline(__always)
    private func decode(
        _ piece: UnsafeMutableRawBufferPointer, at start: Int, _ address: UInt64,
        _ ended: (_ id: UInt64, _ parent: UInt64) -> Void, _ body: (Goroutine) -> Void
    ) {
        func number(_ offset: Int) -> UInt64 { piece.loadUnaligned(fromByteOffset: start + offset, as: UInt64.self) }
        let places = layout.goroutine
        // The collector marks those that it looks at now.
        let status = piece.loadUnaligned(fromByteOffset: start + places.status, as: UInt32.self) & ~0x1000
        guard !Goroutine.isNone(status) else {
            if status == Goroutine.dead, let parent = places.parent { ended(number(places.id), number(parent)) }
            return
        }
        body(
            Goroutine(
                address: address, id: number(places.id), status: status, waitReason: piece[start + places.waitReason],
                waitsSince: Int64(bitPattern: number(places.waitsSince)), createdAt: number(places.createdAt),
                startsAt: number(places.startsAt), parent: places.parent.map(number) ?? 0,
                stackPointer: number(places.stackPointer), stackHigh: number(places.stackHigh),
                programCounter: number(places.programCounter), basePointer: number(places.basePointer)))
    }

    /// What a goroutine waits for; nil: for nothing, or it is not known.
    func waitReason(_ goroutine: Goroutine) -> String? {
        guard goroutine.status == Goroutine.waiting, Int(goroutine.waitReason) < layout.waitReasons.count else {
            return nil
        }
        let reason = layout.waitReasons[Int(goroutine.waitReason)]
        return reason.isEmpty ? nil : reason
    }

    /// Return addresses on the stack of a goroutine that waits, the innermost first; at most 24.
    func stack(of goroutine: Goroutine) -> [UInt64] {
        var counters = [goroutine.programCounter]
        let low = goroutine.stackPointer
        guard low > 0, goroutine.stackHigh > low, goroutine.stackHigh - low <= 1 << 30 else { return counters }
        let length = Int(min(goroutine.stackHigh - low, 32768)) & ~7
        guard let words = memory.integers(length / 8, at: low) else { return counters }
        var base = goroutine.basePointer
        while counters.count < 24, base >= low, base - low < UInt64(max(0, length - 8)), base & 7 == 0 {
            let place = Int((base - low) / 8)
            counters.append(words[place + 1] &- 1)
            guard words[place] > base else { break }
            base = words[place]
        }
        return counters
    }

    /// Whether the runtime made it for itself, as `runtime.isSystemGoroutine` decides. `function`: what it runs.
    func isSystem(_ goroutine: Goroutine, function: String) -> Bool {
        guard function.hasPrefix("runtime.") else { return false }
        switch function {
        case "runtime.main", "runtime.handleAsyncEvent", "runtime.corostart": return false
        case "runtime.runfinq", "runtime.runFinalizers", "runtime.runCleanups":
            // It counts while it runs what the program gave it.
            return ["finalizer wait", "cleanup wait"].contains(waitReason(goroutine))
        default: return true
        }
    }
}
