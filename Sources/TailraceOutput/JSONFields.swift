// SPDX-License-Identifier: MIT
import TailraceModel

extension JSONLine {
    mutating func run(_ run: RunDescription) {
        field("version", string: run.version)
        field("host", string: run.host)
        field("kernel", string: run.kernel)
        field("backend", string: run.backend)
        var target = TracedTarget()
        (target.ports, target.pids, target.comms, target.cgroups) = (run.ports, run.pids, run.comms, run.cgroups)
        object("target") { $0.target(target) }
        object("unavailable") { $0.field("driver", string: run.driverUnavailable) }
    }

    mutating func target(_ target: TracedTarget) {
        array("ports", numbers: target.ports.map(Int64.init))
        array("pids", numbers: target.pids.map(Int64.init))
        array("comms", strings: target.comms)
        array("cgroups", strings: target.cgroups)
    }

    mutating func detail(_ level: DetailLevel) {
        field("level", level.rawValue)
        field("name", string: level.name)
        field("meaning", string: level.words)
    }

    mutating func distribution(_ name: StaticString, _ values: Distribution) {
        object(name) {
            $0.field("count", values.count)
            $0.field("mean", values.mean)
            $0.extremes(values)
        }
    }

    private mutating func extremes(_ values: Distribution) {
        field("p50", values.quantile(0.5))
        field("p99", values.p99)
        field("max", values.count > 0 ? values.max : nil)
    }

    mutating func server(_ server: Server?) {
        field("pid", server.map { Int64($0.pid) })
        field("comm", string: server?.comm)
        field("exe", string: server?.executable)
        field("cgroup", string: server?.cgroup)
        guard let container = server?.container else { return null("container") }
        object("container") {
            $0.field("id", string: container.id)
            $0.field("name", string: container.name)
            $0.field("pod", string: container.pod)
            $0.field("namespace", string: container.namespace)
            $0.field("pod_uid", string: container.podUID)
        }
    }

    mutating func gap(_ name: StaticString, _ values: Distribution) {
        object(name) { $0.extremes(values) }
    }

    mutating func events(_ loss: Loss) {
        object("events") {
            $0.field("made", loss.made)
            $0.field("delivered", loss.delivered)
            $0.field("adopted", loss.adopted)
            $0.field("merged", loss.merged)
            $0.field("heads_unread", loss.headsUnread)
        }
    }

    mutating func loss(_ loss: Loss) {
        for kind: StaticString in ["sockets", "reads", "heads", "flushes", "states"] {
            field(kind, loss.lost[kind.description] ?? 0)
        }
        field("missed", loss.missed)
        field("untracked", loss.untracked)
        field("untracked_mptcp", loss.untrackedMPTCP)
        field("undecodable", loss.undecodable)
        field("unrecorded", loss.unrecorded)
    }
}

extension Stage {
    var name: StaticString {
        switch self {
        case .accept: "accept"
        case .read: "read"
        case .app: "app"
        case .send: "send"
        case .blocked: "blocked"
        case .queue: "queue"
        case .qdisc: "qdisc"
        case .driver: "driver"
        case .network: "network"
        }
    }
}

extension WaitCause {
    var name: StaticString {
        switch self {
        case .peerWindow: "peer_window"
        case .congestionWindow: "congestion_window"
        case .qdisc: "qdisc"
        case .other: "other"
        }
    }
}
