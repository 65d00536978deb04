// SPDX-License-Identifier: MIT

/// Since when goroutines wait where they wait now, as far as looks tell: Go's own clock only starts at a garbage collection.
struct GoAges {
    private struct Met {
        let address: UInt64
        let id: UInt64
        let place: UInt64
        let at: Int64
    }
    /// Of the look before, and of this one, in the order of memory.
    private var before: ContiguousArray<Met> = []
    private var met: ContiguousArray<Met> = []
    private var next = 0
    private static let most = 1 << 20

    mutating func beginLook() {
        next = 0
        met.removeAll(keepingCapacity: true)
    }

    /// When it was first met where it waits at `now`; to be asked in the order of memory.
    mutating func since(_ goroutine: Goroutine, now: Int64) -> Int64 {
        while next < before.count, before[next].address < goroutine.address { next += 1 }
        var at = now
        if next < before.count, before[next].address == goroutine.address, before[next].id == goroutine.id,
            before[next].place == goroutine.stackPointer
        {
            at = before[next].at
        }
        if met.count < Self.most {
            met.append(Met(address: goroutine.address, id: goroutine.id, place: goroutine.stackPointer, at: at))
        }
        return at
    }

    mutating func endLook() { swap(&before, &met) }
}
