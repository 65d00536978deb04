// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import TailraceModel

/// Who comes in, how many, and how often they may ask.
final class Reception: Sendable {
    /// Which socket they came to.
    enum Door: Sendable {
        case local(group: UInt32?)
        /// With the only paths that are served there.
        case remote(paths: Set<String>)
    }

    private struct Counts {
        var admission: Admission
        /// By their places: to be let go for others.
        var channels: [UInt64: any Channel] = [:]
        var parting = 0
        var budget: RequestBudget
    }

    let limits: ServiceLimits
    let tally = ServiceTally()
    private let inbox: Inbox
    private let counts: NIOLockedValueBox<Counts>

    init(inbox: Inbox, limits: ServiceLimits) {
        (self.inbox, self.limits) = (inbox, limits)
        let budget = RequestBudget(perSecond: limits.requestsPerSecond, at: Clock.now)
        counts = NIOLockedValueBox(Counts(admission: Admission(limits: limits), budget: budget))
    }

    /// Sets up a connection that was accepted.
    func receive(_ channel: any Channel, at door: Door) throws {
        tally.add { $0.accepted += 1 }
        let handlers = channel.pipeline.syncOperations
        switch try admit(channel, at: door) {
        case .success(let client):
            tally.add { $0.open += 1 }
            var limit = NIOHTTPDecoderLimitConfiguration()
            limit.maxHeaderFieldSize = limits.headBytes
            limit.maxHeaderListSize = limits.headBytes
            let decoder = HTTPRequestDecoder(limitConfiguration: limit)
            // Blanks are in no field, and so in no limit of the decoder's.
            try handlers.addHandler(ByteToMessageHandler(decoder, maximumBufferSize: 2 * limits.headBytes))
            try handlers.addHandlers([HTTPResponseEncoder(), OverflowHandler(), HTTPServerPipelineHandler(), client])
        case .failure(let refusal):
            let mayRead = parts()
            try handlers.addHandler(RefusalHandler(refusal.answer, reception: self, mayRead: mayRead))
        }
    }

    /// A client that was admitted is gone.
    func left(_ place: UInt64) {
        tally.add { account in
            account.open -= 1
            account.closed += 1
        }
        counts.withLockedValue { counts in
            counts.admission.left(place)
            counts.channels[place] = nil
        }
    }

    /// A client has its reply, and may ask again.
    func listens(_ place: UInt64, at now: Nanoseconds) {
        counts.withLockedValue { $0.admission.listens(place, at: now) }
    }

    /// A client has asked.
    func asked(_ place: UInt64) { counts.withLockedValue { $0.admission.asked(place) } }

    /// Whether one that is refused has time to read why; then it has left its place, and `parted` follows.
    func parts(from place: UInt64? = nil) -> Bool {
        counts.withLockedValue { counts in
            guard counts.parting < limits.parted else { return false }
            counts.parting += 1
            if let place { counts.admission.left(place) }
            return true
        }
    }

    /// One that was refused, and given time to read it, is gone.
    func parted() { counts.withLockedValue { $0.parting -= 1 } }

    /// false: too often, or too many wait.
    func submit(_ request: ServiceRequest, at now: Nanoseconds) -> Bool {
        counts.withLockedValue { $0.budget.take(at: now) } && inbox.put(request)
    }
}

// Admission.
extension Reception {
    private struct Refusal: Error { let answer: Answer }

    private func admit(_ channel: any Channel, at door: Door) throws -> Result<ClientHandler, Refusal> {
        switch door {
        case .remote(let paths):
            let address = channel.remoteAddress.map { "\($0.ipAddress ?? ""):\($0.port ?? 0)" } ?? ""
            guard let place = enter(.remote, channel) else { return refuseClient() }
            return .success(
                ClientHandler(reception: self, peer: .remote(address: address), paths: paths, place: place))
        case .local(let group):
            let found = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self)
            {
                LocalPeer(of: $0)
            }
            guard let peer = found ?? nil, peer.isAllowed(owner: geteuid(), group: group) else {
                tally.add { $0.refusedUsers += 1 }
                return .failure(Refusal(answer: Self.notYou))
            }
            let isOwner = peer.uid == 0 || peer.uid == geteuid()
            guard let place = enter(.local(uid: peer.uid, isOwner: isOwner), channel) else { return refuseClient() }
            let local = Peer.local(uid: peer.uid, gid: peer.gid, pid: peer.pid)
            return .success(ClientHandler(reception: self, peer: local, paths: nil, place: place))
        }
    }

    static let tooMany = Answer(
        refusal: 503, "there are too many clients, of all users or of this one; close some, or come back later")

    private static let notYou = Answer(
        refusal: 403,
        "this user may not ask the service: be root, or a member of the group of its socket (and log in again after you were "
            + "added)")

    private func enter(_ applicant: Admission.Applicant, _ channel: any Channel) -> Admission.Place? {
        let (place, evicted) = counts.withLockedValue { counts -> (Admission.Place?, (any Channel)?) in
            guard let place = counts.admission.enter(applicant, at: Clock.now) else { return (nil, nil) }
            counts.channels[place.number] = channel
            return (place, place.evicted.flatMap { counts.channels.removeValue(forKey: $0) })
        }
        if let evicted {
            tally.add { $0.idled += 1 }
            evicted.close(promise: nil)
        }
        return place
    }

    private func refuseClient() -> Result<ClientHandler, Refusal> {
        tally.add { $0.refusedClients += 1 }
        return .failure(Refusal(answer: Self.tooMany))
    }
}
