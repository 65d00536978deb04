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
        var locals = 0
        var remotes = 0
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
        counts = NIOLockedValueBox(Counts(budget: budget))
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
            let mayRead = counts.withLockedValue { counts in
                guard counts.parting < limits.parted else { return false }
                counts.parting += 1
                return true
            }
            try handlers.addHandler(RefusalHandler(refusal.answer, reception: self, mayRead: mayRead))
        }
    }

    /// A client that was admitted is gone.
    func left(_ peer: Peer) {
        tally.add { account in
            account.open -= 1
            account.closed += 1
        }
        counts.withLockedValue { counts in
            if case .local = peer { counts.locals -= 1 } else { counts.remotes -= 1 }
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
            guard enter(\.remotes, most: limits.remoteClients) else { return refuseClient() }
            return .success(ClientHandler(reception: self, peer: .remote(address: address), paths: paths))
        case .local(let group):
            let found = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self)
            {
                LocalPeer(of: $0)
            }
            guard let peer = found ?? nil, peer.isAllowed(owner: geteuid(), group: group) else {
                tally.add { $0.refusedUsers += 1 }
                return .failure(Refusal(answer: Self.notYou))
            }
            guard enter(\.locals, most: limits.clients) else { return refuseClient() }
            let local = Peer.local(uid: peer.uid, gid: peer.gid, pid: peer.pid)
            return .success(ClientHandler(reception: self, peer: local, paths: nil))
        }
    }

    private static let notYou = Answer(
        refusal: 403,
        "this user may not ask the service: be root, or a member of the group of its socket (and log in again after you were "
            + "added)")

    private func enter(_ count: WritableKeyPath<Counts, Int>, most: Int) -> Bool {
        counts.withLockedValue { counts in
            guard counts[keyPath: count] < most else { return false }
            counts[keyPath: count] += 1
            return true
        }
    }

    private func refuseClient() -> Result<ClientHandler, Refusal> {
        tally.add { $0.refusedClients += 1 }
        let answer = Answer(refusal: 503, "there are too many clients; close some, or come back later")
        return .failure(Refusal(answer: answer))
    }
}
