// SPDX-License-Identifier: MIT

/// What a picture of a run says of the run itself: no event tells it.
public struct RunFacts: Codable, Sendable {
    /// Whence the events come.
    public enum Mode: Equatable, Codable, Sendable {
        case live
        case replay(ReplayPosition)
    }

    /// Where it runs, or ran.
    public var host = ""
    /// Release of its kernel.
    public var kernel = ""
    /// What the marks come from.
    public var backend = ""
    /// What is traced, in words: `port 8080`.
    public var target = ""
    /// For wall times.
    public var anchor = ClockAnchor(monotonic: 0, wall: 0)
    /// What did not arrive.
    public var loss = Loss()
    /// Of it, events of the last minutes; nil: that is not kept apart.
    public var recentlyUnseen: UInt64?
    /// How much of its work the daemon does; nil: it is none.
    public var detail: DetailLevel?
    /// Events a second, over the last interval; nil: not known yet.
    public var eventsPerSecond: Double?
    /// Our own processor time over the last interval, of one core, all threads; nil: not known yet.
    public var ownShare: Double?
    /// Our own resident memory, bytes; nil: not known.
    public var ownBytes: Int64?
    /// Live or replayed.
    public var mode = Mode.live
    /// The file that the run is being recorded to; nil: none.
    public var recordingFile: String?
    /// What happened last, one sentence: where a file was written, why something did not work. Empty: nothing.
    public var message = ""

    /// Nothing known.
    public init() {}
}

/// Where in a recording a replay is.
public struct ReplayPosition: Equatable, Codable, Sendable {
    /// When the recording begins.
    public var begin: Nanoseconds
    /// When it ends; nil: not known yet.
    public var end: Nanoseconds?
    /// Up to when it was replayed.
    public var at: Nanoseconds
    /// Recorded seconds in a second.
    public var speed: Double
    /// False: it stands still.
    public var isPlaying: Bool
    /// Nothing more comes.
    public var isAtEnd: Bool
    /// On the way to another moment: the picture is the one before.
    public var isSeeking: Bool

    /// All of it.
    public init(
        begin: Nanoseconds, end: Nanoseconds?, at: Nanoseconds, speed: Double, isPlaying: Bool, isAtEnd: Bool,
        isSeeking: Bool = false
    ) {
        self.begin = begin
        self.end = end
        self.at = at
        self.speed = speed
        self.isPlaying = isPlaying
        self.isAtEnd = isAtEnd
        self.isSeeking = isSeeking
    }
}
