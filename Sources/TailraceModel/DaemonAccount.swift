// SPDX-License-Identifier: MIT

/// What the daemon tells of itself. What it does not do, or does not know, is nil and has no series.
public struct DaemonAccount: Sendable {
    /// Of this program.
    public var version: String?
    /// Release of the kernel.
    public var kernel: String?
    /// Which hooks make the marks.
    public var backend: String?
    /// When it began, ns since 1970.
    public var started: Int64?
    /// Its processor time, all threads, user and system, ns.
    public var processorTime: Int64?
    /// Its resident memory.
    public var residentBytes: Int64?
    /// Its open descriptors.
    public var openDescriptors: Int64?
    /// What was made, and what of it did not arrive.
    public var loss: Loss?
    /// Events of connections that were never announced.
    public var unattributed: UInt64?
    /// Connections that are followed.
    public var connections: Int64?
    /// Kernel programs, and whether each is attached.
    public var probes: [Probe] = []
    /// Those who ask.
    public var service: ServiceCounts?
    /// The recording that runs all the time.
    public var flight: FlightAccount?
    /// The process apart that counts tasks.
    public var taskReader: TaskReader?
    /// What is sent to an OTLP endpoint.
    public var otlp: OTLPCounts?
    /// How much of its work it still does.
    public var breaker: Breaker?

    /// Nothing known.
    public init() {}

    /// A kernel program.
    public struct Probe: Sendable {
        /// Where it is attached.
        public var name: String
        /// False: it is missing, and what it would have told is not known.
        public var isAttached: Bool

        /// Both.
        public init(_ name: String, isAttached: Bool) {
            self.name = name
            self.isAttached = isAttached
        }
    }

    /// Clients of the daemon's socket and listener, since it began.
    public struct ServiceCounts: Sendable {
        /// Connections that were accepted.
        public var accepted: UInt64 = 0
        /// Refused, because their user may not.
        public var refusedUsers: UInt64 = 0
        /// Refused, because there were too many.
        public var refusedForRoom: UInt64 = 0
        /// Dropped, because they read too slowly.
        public var droppedSlow: UInt64 = 0
        /// Requests that were not understood.
        public var malformed: UInt64 = 0
        /// Closed, because they said nothing.
        public var timedOut: UInt64 = 0
        /// Open now.
        public var open: Int64 = 0

        /// None.
        public init() {}
    }

    /// The process apart that counts the servers' tasks.
    public struct TaskReader: Sendable, Equatable {
        /// False: it has ended, and no tasks are counted.
        public var isReading: Bool
        /// How often it ended by itself, since the daemon began.
        public var ended: UInt64

        /// Both.
        public init(isReading: Bool, ended: UInt64) { (self.isReading, self.ended) = (isReading, ended) }
    }

    /// Requests to an OTLP endpoint, since it began.
    public struct OTLPCounts: Sendable {
        /// Taken by it.
        public var sent: UInt64 = 0
        /// Sent once more.
        public var retried: UInt64 = 0
        /// Given up, or without room.
        public var dropped: UInt64 = 0
        /// Spans that there was no room for before they were in a request.
        public var unsentSpans: UInt64 = 0
        /// Bytes that wait now.
        public var queuedBytes: Int64 = 0
        /// Bytes that were taken by it.
        public var sentBytes: UInt64 = 0
        /// Why the last one was not; nil: it was, or there was none.
        public var failure: String?

        /// None.
        public init() {}
    }

    /// How much of its work the daemon still does, so that it costs no more than it may.
    public struct Breaker: Sendable {
        /// 0: all of it; each level does less.
        public var level: Int
        /// Of that level.
        public var name: String
        /// How often the level changed.
        public var changes: UInt64

        /// All of it.
        public init(level: Int, name: String, changes: UInt64 = 0) {
            self.level = level
            self.name = name
            self.changes = changes
        }
    }
}
