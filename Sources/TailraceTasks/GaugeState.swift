// SPDX-License-Identifier: MIT
import TailraceModel

/// What a gauge of tasks knows, for the thread that reads and those that ask.
struct GaugeState {
    struct Process: Hashable {
        let pid: Int32
        /// When it began, in the ticks that /proc counts in.
        let started: Int64
    }
    struct Source: Hashable {
        let process: Process
        let provider: String
    }
    struct Question {
        let process: Process
        let task: UInt64
        let due: Nanoseconds
    }

    var wanted: [Process] = []
    /// There was no room for them.
    var waiting: [Process] = []
    var known: Set<Process> = []
    /// Those that are read, and of them those with goroutines.
    var counted: Set<Process> = []
    var read: Set<Process> = []
    var silent: [Int32] = []
    var refusals: [TaskError] = []
    var events: [TaskEvent] = []
    var newest: [Source: TaskReading] = [:]
    var questions: [UInt64: Question] = [:]
    /// Until then it is asked which tasks wait in a write.
    var asksWriters: Nanoseconds = 0
    /// Until then all tasks are grouped from time to time.
    var asksGroups: Nanoseconds = 0
    var censuses: [TaskCensus] = []
    var isStopped = false
    var isBusy = false
}
