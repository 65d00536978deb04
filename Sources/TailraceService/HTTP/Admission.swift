// SPDX-License-Identifier: MIT
import TailraceModel

/// Who has which place. One user cannot have all of them, one is root's, one is for whoever only asks about the health; and who has
/// nothing to ask makes room for who has. Pure: the time is passed in.
struct Admission {
    /// Who wants one.
    enum Applicant: Equatable {
        /// `isOwner`: root, or the service's own user.
        case local(uid: UInt32, isOwner: Bool)
        case remote

        var isRemote: Bool { self == .remote }
        var isOwner: Bool { if case .local(_, let isOwner) = self { isOwner } else { false } }
    }

    /// What one is given.
    struct Place: Equatable {
        let number: UInt64
        /// Nothing else may be asked there.
        let isForHealth: Bool
        /// Whose it was: to be let go.
        let evicted: UInt64?
    }

    private struct Holder {
        let number: UInt64
        let applicant: Applicant
        let isForHealth: Bool
        /// Since when it could ask, and does not; nil: it has asked.
        var silent: Nanoseconds?
        var hasBeenServed = false
    }

    private let limits: ServiceLimits
    private var holders: [Holder] = []
    private var numbers: UInt64 = 0

    init(limits: ServiceLimits) { self.limits = limits }

    /// nil: there is none.
    mutating func enter(_ applicant: Applicant, at now: Nanoseconds) -> Place? {
        let same = holders.filter { $0.applicant.isRemote == applicant.isRemote }
        let held = same.filter { !$0.isForHealth }
        let own = held.filter { $0.applicant == applicant }
        if !applicant.isRemote, !applicant.isOwner, own.count >= limits.clientsPerUser {
            return give(applicant, insteadOf: own, same, at: now)
        }
        let others = held.filter { !$0.applicant.isOwner }
        let hasRoom =
            applicant.isRemote
            ? held.count < limits.remoteClients
            : held.count < limits.clients && (applicant.isOwner || others.count < limits.clients - 1)
        guard !hasRoom else { return add(applicant, isForHealth: false, evicted: nil, at: now) }
        // Who is not root does not take root's place.
        return give(applicant, insteadOf: applicant.isOwner ? held : others, same, at: now)
    }

    /// That of one who is silent, or the one that is kept.
    private mutating func give(
        _ applicant: Applicant, insteadOf candidates: [Holder], _ same: [Holder], at now: Nanoseconds
    ) -> Place? {
        let silent = candidates.filter { holder in
            guard let since = holder.silent else { return false }
            return now - since >= (holder.hasBeenServed ? limits.rest : limits.firstRest)
        }
        if let longest = silent.min(by: { ($0.silent ?? 0) < ($1.silent ?? 0) }) {
            left(longest.number)
            return add(applicant, isForHealth: false, evicted: longest.number, at: now)
        }
        guard !same.contains(where: \.isForHealth) else { return nil }
        return add(applicant, isForHealth: true, evicted: nil, at: now)
    }

    private mutating func add(
        _ applicant: Applicant, isForHealth: Bool, evicted: UInt64?, at now: Nanoseconds
    ) -> Place {
        numbers += 1
        holders.append(Holder(number: numbers, applicant: applicant, isForHealth: isForHealth, silent: now))
        return Place(number: numbers, isForHealth: isForHealth, evicted: evicted)
    }

    /// It has been answered, and may ask.
    mutating func listens(_ number: UInt64, at now: Nanoseconds) {
        guard let place = holders.firstIndex(where: { $0.number == number }) else { return }
        (holders[place].silent, holders[place].hasBeenServed) = (now, true)
    }

    /// It has asked.
    mutating func asked(_ number: UInt64) {
        if let place = holders.firstIndex(where: { $0.number == number }) { holders[place].silent = nil }
    }

    /// It is gone; one that was let go is already.
    mutating func left(_ number: UInt64) { holders.removeAll { $0.number == number } }
}
