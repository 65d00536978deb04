// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel
import TailraceOutput
import TailraceService

/// Those who listen to what is told as it happens, as server-sent events or as lines. Each gets what it asked for; an object is
/// written once for all of them.
struct LiveFeeds {
    /// What can be listened to.
    enum Kind: String, CaseIterable { case response, flush, sample, finding, loss, detail }

    private struct Listener {
        let feed: Feed
        let kinds: Set<Kind>
        let isLines: Bool
    }
    private var listeners: [Listener] = []
    private var wanted: Set<Kind> = []
    private var format: NDJSON
    private var detail = DetailLevel.full
    /// What the first line says.
    var run: RunDescription { didSet { format = NDJSON(run: run) } }
    private var nextSign: Nanoseconds = 0
    /// A sign of life, so that whoever waits knows that nothing happened, ns.
    private static let silence: Nanoseconds = 5_000_000_000
    /// What they can listen to at once.
    static let most = 16

    init(_ run: RunDescription) {
        self.run = run
        format = NDJSON(run: run)
    }

    /// Without a listener nothing is written.
    var isEmpty: Bool { listeners.isEmpty }
    /// Those who still listen.
    var count: Int { listeners.count { $0.feed.isOpen } }

    /// From now on it is told these kinds, after the first line.
    mutating func add(_ feed: Feed, kinds: Set<Kind>, isLines: Bool, at wall: Int64) {
        let listener = Listener(feed: feed, kinds: kinds, isLines: isLines)
        listeners.append(listener)
        wanted.formUnion(kinds)
        _ = feed.send(Self.framed(format.begin(), "meta", isLines: isLines))
        guard detail > .full, kinds.contains(.detail) else { return }
        _ = feed.send(Self.framed(format.detail(detail, at: wall), Kind.detail.rawValue, isLines: isLines))
    }

    /// What an event led to. At less detail only samples, findings and loss are told.
    mutating func tell(_ actions: borrowing Actions, _ told: Watch.Told, anchor: ClockAnchor, isWhole: Bool) {
        if isWhole, wanted.contains(.flush), let flush = actions.flush {
            send(.flush, format.flush(flush, anchor: anchor))
        }
        if wanted.contains(.sample) {
            for sample in told.samples { send(.sample, format.sample(sample, anchor: anchor)) }
        }
        if wanted.contains(.finding) {
            for finding in told.findings { send(.finding, format.finding(finding, anchor: anchor)) }
        }
        if isWhole, wanted.contains(.response) {
            for place in actions.settled.indices {
                send(.response, format.response(actions.settled[place], anchor: anchor))
            }
        }
    }

    /// A loss that grew.
    mutating func tell(_ loss: Loss, at wall: Int64) {
        if wanted.contains(.loss) { send(.loss, format.loss(loss, at: wall)) }
    }

    /// The daemon does less, or more again.
    mutating func tell(_ level: DetailLevel, at wall: Int64) {
        detail = level
        if wanted.contains(.detail) { send(.detail, format.detail(level, at: wall)) }
    }

    /// After each drain.
    mutating func tick(at now: Nanoseconds) {
        guard now >= nextSign else { return }
        nextSign = now + Self.silence
        for listener in listeners where !listener.isLines { _ = listener.feed.send(Array(": nothing new\n\n".utf8)) }
        listeners.removeAll { !$0.feed.isOpen }
        wanted = listeners.reduce(into: []) { $0.formUnion($1.kinds) }
    }

    /// Nothing more comes: they see an end, not a cut.
    mutating func end() {
        for listener in listeners { listener.feed.end() }
        listeners = []
    }

    private func send(_ kind: Kind, _ line: [UInt8]) {
        // Once for all who listen to events.
        var event: [UInt8]?
        for listener in listeners where listener.kinds.contains(kind) && listener.feed.isOpen {
            guard !listener.isLines else {
                listener.feed.send(line)
                continue
            }
            let framed = event ?? Self.framed(line, kind.rawValue, isLines: false)
            event = framed
            listener.feed.send(framed)
        }
    }

    /// A line of JSON ends with its line break; an event with an empty line.
    private static func framed(_ line: [UInt8], _ kind: String, isLines: Bool) -> [UInt8] {
        isLines ? line : Array("event: \(kind)\ndata: ".utf8) + line + [0x0a]
    }
}
