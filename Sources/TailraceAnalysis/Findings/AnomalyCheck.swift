// SPDX-License-Identifier: MIT
import TailraceModel

/// How an anomaly is looked for in a window. Pure: a window and limits in, what is seen out. Its texts and thresholds are
/// with `Anomaly`.
public struct AnomalyCheck: Sendable {
    /// Windows in a row that must show it before it is told.
    let opensAfter: Int
    /// Windows in a row that must not show it, at relaxed limits, before it is over.
    let closesAfter: Int
    /// nil: it is not there.
    let check: @Sendable (ServerWindow, Thresholds) -> Symptom?

    init(
        opensAfter: Int = 1, closesAfter: Int = 3, _ check: @escaping @Sendable (ServerWindow, Thresholds) -> Symptom?
    ) {
        self.opensAfter = opensAfter
        self.closesAfter = closesAfter
        self.check = check
    }
}

extension Anomaly {
    /// How it is looked for.
    public var check: AnomalyCheck {
        switch self {
        case .queuePressure: .queuePressure
        case .slowConsumer: .slowConsumer
        case .blockedWriters: .blockedWriters
        case .congestedPath: .congestedPath
        case .qdiscPressure: .qdiscPressure
        case .receivePressure: .receivePressure
        case .stalledStream: .stalledStream
        case .taskSaturation: .taskSaturation
        case .taskLeak: .taskLeak
        case .orphanedTasks: .orphanedTasks
        case .coalescedStream: .coalescedStream
        }
    }
}

extension ServerWindow {
    /// Of these connections the one with most of something; equal ones: the oldest.
    func most(of connections: [ConnectionWindow], by amount: (ConnectionWindow) -> Int64) -> ConnectionWindow? {
        connections.max {
            (amount($0), $1.look.connection.cookie) < (amount($1), $0.look.connection.cookie)
        }
    }

    /// When something that lasts that long at the window's end began.
    func since(_ age: Int64) -> Nanoseconds { at - max(0, age) }
}
