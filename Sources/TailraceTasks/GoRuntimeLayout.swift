// SPDX-License-Identifier: MIT

/// Where the runtime of one release of Go keeps what is read of it: offsets in bytes, x86_64. From the DWARF of programs
/// built with each release; the structures are the same within a release's patches.
struct GoRuntimeLayout: Sendable {
    /// `runtime.g`.
    struct Goroutine: Sendable {
        var size: Int
        var status: Int
        var parent: Int?
        var createdAt: Int
        var startsAt: Int
        var basePointer: Int

        let stackLow = 0
        let stackHigh = 8
        let stackPointer = 56
        let programCounter = 64
        var id: Int { status + 8 }
        var waitsSince: Int { status + 24 }
        var waitReason: Int { status + 32 }
        /// So many bytes have all of it.
        var length: Int { startsAt + 8 }
    }
    /// `runtime.sched`.
    struct Scheduler: Sendable {
        var systemCount: Int
        /// Their sum is the number of goroutines that ended and are kept for reuse.
        var freeCounts: [Int]
        /// What the code of `runtime.gfput` names.
        var freeLock: Int
    }

    let goroutine: Goroutine
    let scheduler: Scheduler
    /// In `runtime.p`: goroutines that ended and are kept for reuse there.
    let processorFreeCount: Int
    /// Names of `g.waitreason`, by number.
    let waitReasons: [String]
    /// The header of the function table says where the code begins; else the module data do.
    let hasCodeStartInTable: Bool
    /// Where the module data have it.
    static let codeStartInModule: UInt64 = 176

    static let known = "1.19 and 1.21 to 1.27"

    /// nil: that release is not known, and nothing of it can be read.
    init?(minor: Int) {
        switch minor {
        case 19:
            goroutine = Goroutine(size: 392, status: 144, parent: nil, createdAt: 296, startsAt: 312, basePointer: 104)
            scheduler = Scheduler(systemCount: 72, freeCounts: [176], freeLock: 152)
        case 21, 22:
            goroutine = Goroutine(
                size: minor == 21 ? 408 : 424, status: 144, parent: 272, createdAt: 280, startsAt: 296, basePointer: 104
            )
            scheduler = Scheduler(systemCount: 72, freeCounts: [184], freeLock: 160)
        case 23, 24:
            goroutine = Goroutine(
                size: minor == 23 ? 432 : 440, status: 152, parent: 280, createdAt: 288, startsAt: 304, basePointer: 104
            )
            scheduler = Scheduler(systemCount: 72, freeCounts: [184], freeLock: 160)
        case 25:
            goroutine = Goroutine(size: 440, status: 144, parent: 272, createdAt: 280, startsAt: 296, basePointer: 96)
            scheduler = Scheduler(systemCount: 80, freeCounts: [184, 200], freeLock: 168)
        case 26, 27:
            goroutine = Goroutine(size: 456, status: 144, parent: 280, createdAt: 288, startsAt: 304, basePointer: 96)
            scheduler = Scheduler(systemCount: 96, freeCounts: [200, 216], freeLock: 184)
        default:
            return nil
        }
        processorFreeCount = (23...25).contains(minor) ? 2464 : 2472
        waitReasons = GoWaitReasons.names(minor: minor)
        hasCodeStartInTable = minor < 26
    }
}
