// SPDX-License-Identifier: MIT
import Testing

@testable import TailraceOutput

@Suite struct TracedTargetTests {
    private func target(
        ports: [UInt16] = [], pids: [Int32] = [], comms: [String] = [], cgroups: [String] = []
    ) -> TracedTarget {
        var target = TracedTarget()
        (target.ports, target.pids, target.comms, target.cgroups) = (ports, pids, comms, cgroups)
        return target
    }

    @Test func whoTracesEverythingCoversEverything() {
        #expect(target().covers(target()))
        #expect(target().covers(target(ports: [1], pids: [2], comms: ["a"], cgroups: ["/x"])))
    }

    @Test func whoAsksForNothingInParticularWantsWhatThereIs() {
        #expect(target(ports: [1], comms: ["a"]).covers(target()))
    }

    @Test func portsAndNamesAreHeldAgainstTheirOwnKind() {
        #expect(target(ports: [1, 2]).covers(target(ports: [2])))
        #expect(target(ports: [1, 2]).covers(target(ports: [2], comms: ["any"])))
        #expect(!target(ports: [1, 2]).covers(target(ports: [2, 3])))
        #expect(!target(ports: [1, 2]).covers(target(comms: ["any"])), "on other ports it is not traced")
        #expect(target(comms: ["a", "b"]).covers(target(ports: [7], comms: ["b"])))
        #expect(!target(comms: ["a"]).covers(target(comms: ["a", "b"])))
        #expect(!target(comms: ["a"]).covers(target(ports: [7])))
        #expect(!target(pids: [1]).covers(target(pids: [2])))
    }

    @Test func aCgroupBelowIsInIt() {
        #expect(target(cgroups: ["/a"]).covers(target(cgroups: ["/a/b", "/a"])))
        #expect(target(cgroups: ["/"]).covers(target(cgroups: ["/a"])))
        #expect(!target(cgroups: ["/a"]).covers(target(cgroups: ["/ab"])))
    }

    @Test func itIsReadFromTheHealth() {
        let text = #"{"v":1,"target":{"ports":[80],"pids":[],"comms":["a b"],"cgroups":[]},"more":null}"#
        #expect(ServiceJSON.target(inHealth: Array(text.utf8)) == target(ports: [80], comms: ["a b"]))
        #expect(ServiceJSON.target(inHealth: Array("{}".utf8)) == nil)
    }
}
