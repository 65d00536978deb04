// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceService

@Suite("Places for clients")
struct AdmissionTests {
    private static let second: Nanoseconds = 1_000_000_000

    private func member(_ uid: UInt32) -> Admission.Applicant { .local(uid: uid, isOwner: false) }
    private let root = Admission.Applicant.local(uid: 0, isOwner: true)

    /// So many, who all ask and wait for the reply, as who listens does.
    private func fill(_ admission: inout Admission, _ applicant: Admission.Applicant, _ count: Int)
        -> [Admission.Place]
    {
        (0..<count).compactMap { _ in
            let place = admission.enter(applicant, at: 0)
            if let place { admission.asked(place.number) }
            return place
        }
    }

    private func entered(
        _ admission: inout Admission, _ applicant: Admission.Applicant, at now: Nanoseconds
    ) throws -> Admission.Place {
        let place = admission.enter(applicant, at: now)
        return try #require(place)
    }

    @Test func oneUserCannotHaveAllPlaces() {
        var admission = Admission(limits: ServiceLimits())
        let first = fill(&admission, member(1), 20)
        #expect(first.count { !$0.isForHealth } == 8 && first.count == 9)
        let second = fill(&admission, member(2), 20)
        #expect(second.count == 7)
        let third = fill(&admission, member(3), 1)
        #expect(third.isEmpty, "the last one is root's, and that for the health is taken")
        let owners = fill(&admission, root, 3)
        #expect(owners.count == 1)
    }

    @Test func rootMayHaveAll() {
        var admission = Admission(limits: ServiceLimits())
        let places = fill(&admission, root, 20)
        #expect(places.count { !$0.isForHealth } == 16)
    }

    @Test func whoHasNothingToAskMakesRoomTheLongestFirst() throws {
        var admission = Admission(limits: ServiceLimits())
        let places = fill(&admission, .remote, 4)
        for (order, place) in [2, 0, 1, 3].enumerated() {
            admission.listens(places[place].number, at: Nanoseconds(order) * 1_000_000)
        }
        // Not before it rests.
        let early = try entered(&admission, .remote, at: 100_000_000)
        #expect(early.isForHealth && early.evicted == nil)
        let none = admission.enter(.remote, at: 100_000_000)
        #expect(none == nil)
        let next = try entered(&admission, .remote, at: Self.second)
        #expect(next.evicted == places[2].number && !next.isForHealth)
        // Who has asked meanwhile stays.
        admission.asked(places[0].number)
        let another = admission.enter(.remote, at: Self.second)
        #expect(another?.evicted == places[1].number)
        admission.left(places[0].number)
        let place1 = try entered(&admission, .remote, at: Self.second)
        #expect(place1.evicted == nil, "a place is free again")
    }

    @Test func whoHasNeverAskedIsGivenASecond() throws {
        var admission = Admission(limits: ServiceLimits())
        for _ in 0..<4 { _ = admission.enter(.remote, at: 0) }
        let place2 = try entered(&admission, .remote, at: Self.second - 1)
        #expect(place2.isForHealth)
        let place3 = try entered(&admission, .remote, at: Self.second)
        #expect(place3.evicted == 1)
    }

    @Test func ofOneUserWhoHasTooManyOneOfTheOwnIsLetGo() throws {
        var admission = Admission(limits: ServiceLimits())
        let other = fill(&admission, member(2), 1)
        admission.listens(other[0].number, at: 0)
        let own = fill(&admission, member(1), 8)
        admission.listens(own[5].number, at: 1)
        let place4 = try entered(&admission, member(1), at: 2 * Self.second)
        #expect(place4.evicted == own[5].number)
    }

    @Test func membersDoNotTakeTheOwnersPlace() throws {
        var admission = Admission(limits: ServiceLimits())
        let owners = fill(&admission, root, 2)
        for owner in owners { admission.listens(owner.number, at: 0) }
        _ = fill(&admission, member(1), 7) + fill(&admission, member(2), 7)
        let place5 = try entered(&admission, member(3), at: 9 * Self.second)
        #expect(place5.isForHealth, "nobody of the others rests")
        let place6 = try entered(&admission, root, at: 9 * Self.second)
        #expect(place6.evicted == owners[0].number)
    }
}
