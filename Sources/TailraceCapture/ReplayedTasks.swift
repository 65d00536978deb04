// SPDX-License-Identifier: MIT
import TailraceModel

/// What a recording says of tasks, until its place among the records has come.
struct ReplayedTasks {
    private var entries: [RecordedTasks.Entry] = []
    private var next = 0
    /// So many records come before the next of them; `max`: there is none.
    private(set) var place = UInt64.max
    /// Those that never come to their place, as in a recording that somebody made, are told all the same.
    private static let most = 1 << 16

    /// Adds those of a block.
    mutating func add(_ more: [RecordedTasks.Entry], _ handle: (KernelEvent) -> Void) {
        entries.removeFirst(next)
        next = 0
        entries += more
        place = entries.first?.place ?? .max
        if entries.count > Self.most { tellAll(handle) }
    }

    /// Tells those that came before the record with that number, from 0.
    mutating func tell(before record: UInt64, _ handle: (KernelEvent) -> Void) {
        while next < entries.count, entries[next].place <= record {
            handle(.taskTold(entries[next].event))
            next += 1
        }
        place = next < entries.count ? entries[next].place : .max
    }

    /// No more records come.
    mutating func tellAll(_ handle: (KernelEvent) -> Void) { tell(before: .max, handle) }
}
