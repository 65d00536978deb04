// SPDX-License-Identifier: MIT
import Glibc

/// Finds servers before they serve, so that their tasks are counted from the first response on.
public enum ListenerProcesses {
    private static let mostProcesses = 1 << 16
    private static let mostDescriptors = 1 << 16

    /// Processes that hold a listener on one of the local ports, in this network namespace.
    public static func listening(on ports: [UInt16]) -> [Int32] {
        guard !ports.isEmpty else { return [] }
        let wanted = Set(ports)
        let sockets = Set(
            ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { path in
                (ProcessFiles.text(of: path) ?? "").split(separator: "\n").compactMap { listener(in: $0, wanted) }
            })
        guard !sockets.isEmpty else { return [] }
        return processes().filter { pid in
            let names = ProcessFiles.names(in: "/proc/\(pid)/fd", most: mostDescriptors) ?? []
            return names.contains { name in ProcessFiles.link("/proc/\(pid)/fd/\(name)").map(sockets.contains) ?? false
            }
        }
    }

    /// Processes with one of these names.
    public static func named(_ names: [String]) -> [Int32] {
        names.isEmpty ? [] : processes().filter { pid in TaskProcess.name(of: pid).map(names.contains) ?? false }
    }

    private static func processes() -> [Int32] {
        (ProcessFiles.names(in: "/proc", most: mostProcesses) ?? []).compactMap { Int32($0) }
    }

    /// `socket:[INODE]` of a line of /proc/net/tcp that is a listener on one of the ports.
    private static func listener(in line: Substring, _ ports: Set<UInt16>) -> String? {
        let words = line.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count > 9, words[3] == "0A",
            let port = words[1].split(separator: ":").last.flatMap({ UInt16($0, radix: 16) }), ports.contains(port)
        else { return nil }
        return "socket:[\(words[9])]"
    }
}
