// SPDX-License-Identifier: MIT
import TailraceModel

/// How a connection comes to its end, as its states tell.
struct Closing {
    /// When the client's FIN came; nil: it did not.
    private var clientFin: Nanoseconds?
    /// nil also where it is not known when.
    var fin: Nanoseconds? { clientFin.flatMap { $0 > 0 ? $0 : nil } }
    /// It came before `fin`, which is when it was found.
    private(set) var isFinOlder = false
    private(set) var hasServerFin = false
    /// How and when the connection ended; nil: it did not.
    var ended: (how: Ending, at: Nanoseconds)?
    private static let timedOut: Int32 = 110

    /// It had come before `time`, and nothing was told of it.
    mutating func findFin(at time: Nanoseconds) {
        guard clientFin == nil else { return }
        (clientFin, isFinOlder) = (time, true)
    }

    mutating func take(_ change: StateChange) {
        switch change.new {
        case .closeWait: clientFin = change.at
        case .finWait1: hasServerFin = true
        // Before anybody used the connection, nothing was told of it.
        case .closed where change.old == .closeWait || change.old == .lastAck: clientFin = clientFin ?? 0
        default: break
        }
    }

    /// Nothing says that the client left before it had what was sent at `sent`. A FIN alone does not: who is gone answers what
    /// is sent after it with RST, and who acknowledges that is only done with sending.
    func clientReads(after sent: Nanoseconds) -> Bool { clientFin.map { sent > $0 } ?? true }

    /// How a response ended, of which something was sent at `sent` last, when the connection was closed by `change`.
    func ending(by change: StateChange, after sent: Nanoseconds) -> Ending {
        if change.error == Self.timedOut { return .timeout }
        if hasServerFin && clientReads(after: sent) && change.error == 0 { return .serverClose }
        if clientFin != nil { return .clientFin }
        if change.error != 0 { return .clientReset }
        return change.old == .established || change.old == .closeWait ? .serverReset : .unknown
    }
}
