// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// Where records are missing in a recording: whatever was followed up to there is in doubt, as after a ring that was full.
struct ReplayedGaps {
    /// Something is missing before the next record.
    private var isThere = false
    /// Connections of which a record came since.
    private var told: Set<UInt64> = []
    private var isRoundTorn = false
    /// So many are remembered; beyond it they are doubted once more.
    private static let most = 1 << 20

    /// Records are missing before the next one.
    mutating func begin() {
        isThere = true
        isRoundTorn = true
        told.removeAll(keepingCapacity: true)
    }

    /// The first record of each connection says, as the kernel side would, that others were lost before it.
    mutating func mark(_ record: UnsafeMutableRawBufferPointer) {
        guard isThere, record.count >= MemoryLayout<ev_header>.size else { return }
        var header = record.loadUnaligned(as: ev_header.self)
        guard header.socket != 0, told.insert(header.socket).inserted else { return }
        header.flags |= EV_F_LOST_BEFORE
        record.storeBytes(of: header, as: ev_header.self)
        if told.count > Self.most { told.removeAll(keepingCapacity: true) }
    }

    /// Only where every sample of a round is there, a connection without one is gone.
    mutating func take(_ round: SamplingRound) -> SamplingRound {
        defer { isRoundTorn = false }
        return SamplingRound(begin: round.begin, end: round.end, isComplete: !isRoundTorn)
    }
}
