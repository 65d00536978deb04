// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// What containers and pods are called, by the names of their log files, which the node has without asking anybody:
/// `/var/log/pods/NAMESPACE_POD_UID/CONTAINER` and `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`. No file is opened.
struct ContainerNames {
    private struct Pod {
        let namespace: String
        let name: String
        let directory: String
    }
    private var pods: [String: Pod] = [:]
    private var containers: [String: (pod: String, namespace: String, name: String)] = [:]
    private var nextLook: Nanoseconds = .min
    private let root: String
    /// Between two looks for one that is not known, ns.
    private static let pause: Nanoseconds = 1_000_000_000
    /// A node has a few hundred.
    private static let most = 8192

    /// Tests have a directory of their own.
    init(root: String = getenv("TAILRACE_TEST_LOG_ROOT").map { String(cString: $0) } ?? "/var/log") { self.root = root }

    /// With what is known of its names.
    mutating func named(_ container: Container) -> Container {
        var container = container
        if !complete(&container) {
            look()
            _ = complete(&container)
        }
        return container
    }

    /// False: another look could tell more.
    private func complete(_ container: inout Container) -> Bool {
        if let known = container.id.flatMap({ containers[$0] }) {
            (container.name, container.pod, container.namespace) = (known.name, known.pod, known.namespace)
            return true
        }
        guard let pod = container.podUID.flatMap({ pods[$0] }) else { return false }
        (container.pod, container.namespace) = (pod.name, pod.namespace)
        guard container.id != nil else { return true }
        // Where it has one only, that is it.
        let names = listDirectory("\(root)/pods/\(pod.directory)").filter { $0.first != "." }
        container.name = names.count == 1 ? names[0] : nil
        return container.name != nil
    }

    private mutating func look() {
        let now = readClock(CLOCK_MONOTONIC)
        guard now >= nextLook else { return }
        nextLook = now + Self.pause
        (pods, containers) = ([:], [:])
        for name in listDirectory(root + "/pods").prefix(Self.most) {
            let parts = name.split(separator: "_", omittingEmptySubsequences: false).map(String.init)
            if parts.count == 3 { pods[parts[2]] = Pod(namespace: parts[0], name: parts[1], directory: name) }
        }
        for name in listDirectory(root + "/containers").prefix(Self.most) where name.hasSuffix(".log") {
            let parts = name.dropLast(4).split(separator: "_", omittingEmptySubsequences: false)
            guard parts.count == 3, let dash = parts[2].lastIndex(of: "-") else { continue }
            let id = String(parts[2][parts[2].index(after: dash)...])
            containers[id] = (String(parts[0]), String(parts[1]), String(parts[2][..<dash]))
        }
    }
}
