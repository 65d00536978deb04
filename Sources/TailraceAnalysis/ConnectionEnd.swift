// SPDX-License-Identifier: MIT
import TailraceModel

/// How a connection's responses end with it.
extension ConnectionTracker {
    mutating func take(_ change: StateChange, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        closing.take(change)
        switch change.new {
        case .finWait2
        where isOpen && current.acknowledgedAt != 0
            && (current.framing == .untilClose || current.framing == .untilDirectionChange
                || current.framing == .adopted):
            end(.complete, at: current.acknowledgedAt, &context, tell)
        case .closed: close(change, &context, tell)
        default: break
        }
    }

    private mutating func close(
        _ change: StateChange, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        giveUp(ending(by: change), at: change.at, &context, tell)
        let ending = ending(by: change)
        while isOpen {
            let isWhole = change.unackedBytes == 0 && change.error == 0 && current.acknowledgedAt != 0
            switch current.framing {
            // Where another request waits, the client had its answer.
            case .untilDirectionChange where isWhole,
                .untilClose where isWhole && clientReads && waiting.isEmpty,
                .adopted where isWhole && clientReads && waiting.isEmpty:
                endAndGoOn(.complete, at: current.acknowledgedAt, &context, tell)
            default:
                endAndGoOn(ending, at: change.at, &context, tell)
            }
        }
    }

    mutating func giveUp(
        _ ending: Ending, at: Nanoseconds, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        closing.ended = (ending, at)
        for flush in givenUp { divide(flush, &context, tell) }
        givenUp = []
    }

    /// The connection is gone, and nothing told how.
    mutating func vanish(at: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        loseSight()
        giveUp(.unknown, at: at, &context, tell)
        endAll(.unknown, isEstimated: true, at: at, &context, tell)
    }

    func ending(by change: StateChange) -> Ending { closing.ending(by: change, after: current.sentAt) }
    private var clientReads: Bool { closing.clientReads(after: current.sentAt) }
}
