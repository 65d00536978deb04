// SPDX-License-Identifier: MIT

/// The container that a process runs in, as its cgroup names it. Untrusted.
public struct Container: Codable, Sendable, Equatable, Hashable {
    /// 64 digits, as the runtime gave them; nil: of a pod, and not one of its containers.
    public var id: String?
    /// The pod's, as Kubernetes gave it: of a static pod, a hash of 32 digits. nil: it is of none.
    public var podUID: String?
    /// What it is called; nil: nobody here knows.
    public var name: String?
    /// What its pod is called; nil: as above.
    public var pod: String?
    /// In which namespace of Kubernetes; nil: as above.
    public var namespace: String?

    /// Nothing known.
    public init() {}

    /// By a file /proc/PID/cgroup: of cgroup v2 where that tells it, else of a hierarchy of v1. nil: it is in none.
    public init?(cgroups text: String) {
        let paths = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            return fields.count == 3 ? (isUnified: fields[0] == "0", path: String(fields[2])) : nil
        }
        for path in paths.filter(\.isUnified) + paths.filter({ !$0.isUnified }) {
            guard let container = Container(cgroup: path.path) else { continue }
            self = container
            return
        }
        return nil
    }

    /// By the path of its cgroup, as Docker, containerd, CRI-O, Podman and Kubernetes name them, with systemd or without. The
    /// innermost counts: a node may be a container itself. nil: it is in none.
    public init?(cgroup path: String) {
        // containerd without systemd, on a host with it: `...-pod<uid>.slice:cri-containerd:<id>`.
        for name in path.split(whereSeparator: { $0 == "/" || $0 == ":" }) {
            if let uid = Self.podUID(in: name) {
                // What is outside of the pod is not of it.
                (podUID, id) = (uid, nil)
            } else if let digits = Self.containerID(in: name) {
                id = digits
            }
        }
        if id == nil, podUID == nil { return nil }
    }

    /// `<id>`, `cri-containerd-<id>.scope`, `docker-<id>.scope`; what watches one (`conmon`) is not in it.
    private static func containerID(in name: Substring) -> String? {
        let words = name.hasSuffix(".scope") ? name.dropLast(6) : name
        let digits = words.split(separator: "-").last ?? ""
        guard digits.utf8.count == 64, digits.utf8.allSatisfy(isDigit) else { return nil }
        let runtime = words.dropLast(digits.count)
        return runtime.contains("conmon") ? nil : String(digits)
    }

    /// `pod<uid>`, `kubepods-burstable-pod<uid, with underscores>.slice`.
    private static func podUID(in name: Substring) -> String? {
        let words = name.hasSuffix(".slice") ? name.dropLast(6) : name
        guard let uid = words.range(ofLast: "pod").map({ words[$0...] }) else { return nil }
        let front = words.dropLast(uid.count + 3)
        guard front.isEmpty || front.hasSuffix("-") else { return nil }
        let groups = uid.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "_" || $0 == "-" })
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] || groups.map(\.utf8.count) == [32],
            groups.allSatisfy({ $0.utf8.allSatisfy(isDigit) })
        else { return nil }
        return groups.joined(separator: "-")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x61...0x66: true
        default: false
        }
    }

    /// For series: as it is called, or its first digits; of a pod, in its namespace. Three parts where it is of a pod.
    public var label: String? {
        let own = name ?? id.map { String($0.prefix(12)) } ?? "pause"
        guard let pod, let namespace else { return name }
        return "\(namespace)/\(pod)/\(own)"
    }
}

extension Substring {
    /// Behind the last place where it stands.
    fileprivate func range(ofLast word: String) -> Index? {
        var (found, rest): (Index?, Substring) = (nil, self)
        while let place = rest.firstRange(of: word) {
            found = place.upperBound
            rest = rest[place.upperBound...]
        }
        return found
    }
}
