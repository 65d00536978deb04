// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// What a recording says of itself: enough to read it, and to say where it came from.
public struct RecordingDescription: Sendable, Equatable {
    /// Of the records: `EV_WIRE_VERSION` of `bpf/include/events.h` when it was made.
    public var wireVersion: UInt32 = EV_WIRE_VERSION
    /// Version of the tailrace that made it.
    public var version = ""
    /// Node name. Untrusted.
    public var host = ""
    /// `uname -r`. Untrusted.
    public var kernel = ""
    /// Which hooks made the marks. Untrusted.
    public var backend = ""
    /// What was traced.
    public var target = Target()
    /// Length of a jiffy, ns: the unit of the sockets' own clocks.
    public var jiffy: Int64 = 4_000_000
    /// Both clocks when it began.
    public var anchor = ClockAnchor(monotonic: 0, wall: 0)

    /// Nothing known.
    public init() {}
}

/// What of a recording was used, and how it ends.
public struct RecordingAccount: Sendable, Equatable {
    /// How a recording ends.
    public enum Ending: Sendable, Equatable {
        /// With its own end: all that was to be written was written.
        case clean
        /// Without one, after so many bytes: the recorder was killed, is still at work, or the file was cut.
        case cut(at: UInt64)
    }
    /// Records that were replayed.
    public var records: UInt64 = 0
    /// Records that the recorder could not write (disk full, size limit), as far as the recording says.
    public var dropped: UInt64 = 0
    /// Blocks that were refused because a checksum, a length or their place was wrong.
    public var damagedBlocks: UInt64 = 0
    /// Where the first of them begins, bytes.
    public var firstDamage: UInt64?
    /// Records that were in damaged or missing blocks, as far as the blocks after them say.
    public var damagedRecords: UInt64 = 0
    /// nil: not at the end yet.
    public var ending: Ending?

    /// Nothing read.
    public init() {}

    /// Whether everything that was recorded is there.
    public var isWhole: Bool { ending == .clean && damagedBlocks == 0 && damagedRecords == 0 && dropped == 0 }
}
