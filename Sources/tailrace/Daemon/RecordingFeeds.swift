// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceService

/// Those who read along: each gets a recording of its own, of what it asked for, while it is made.
struct RecordingFeeds {
    private struct Reader {
        let feed: Feed
        let writer: RecordingWriter<HeadRedactor>
        let handle: LateRecording.Handle
        /// What the daemon had lost before: not its own.
        let before: Loss
        let peer: Peer
    }
    private var readers: [Reader] = []
    /// How many at once: each costs about as much as a recording to a file.
    static let most = 8
    /// Of one user who is not root.
    static let mostOfUser = 4

    /// Why there is no room for one more; nil: there is.
    func refusal(of peer: Peer) -> String? {
        guard readers.count < Self.most else { return "\(Self.most) clients read along already; end one of them" }
        guard case .local(let uid, _, _) = peer, uid != 0 else { return nil }
        let own = readers.count { if case .local(uid, _, _) = $0.peer { true } else { false } }
        return own < Self.mostOfUser ? nil : "\(own) clients of this user read along already; end one of them"
    }

    /// From now on `feed` is given what belongs to `target`. `loss`: of the daemon until now.
    mutating func add(
        _ feed: Feed, of peer: Peer, _ target: Target, _ description: RecordingDescription, _ hub: LateRecording,
        loss: Loss, at now: Nanoseconds
    ) throws(CaptureError) {
        var description = description
        description.target = target
        let writer = try RecordingWriter(description: description, redactor: HeadRedactor()) { block in
            feed.send(Array(block))
        }
        let handle = hub.begin(SelectedRecording(target, writer, before: loss), at: now)
        readers.append(Reader(feed: feed, writer: writer, handle: handle, before: loss, peer: peer))
    }

    /// Lets those go who are gone themselves.
    mutating func tick(_ hub: LateRecording) {
        for reader in readers where !reader.feed.isOpen { hub.end(reader.handle) }
        readers.removeAll { !$0.feed.isOpen }
    }

    /// Ends all of them in order.
    mutating func end(_ hub: LateRecording, at now: Nanoseconds, anchor: ClockAnchor, loss: Loss) {
        for reader in readers {
            hub.end(reader.handle)
            reader.writer.finish(at: now, anchor: anchor, loss: loss.since(reader.before))
            reader.feed.end()
        }
        readers = []
    }
}
