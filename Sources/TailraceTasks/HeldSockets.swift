// SPDX-License-Identifier: MIT
import CProcess
import Glibc
import TailraceModel

/// TCP connections that a process holds, and those of them whose client has gone. Only looked at, from /proc.
public enum HeldSockets {
    private static let mostDescriptors = 1 << 20
    /// Sockets that no table lists and that are asked one by one.
    private static let mostAsked = 4096

    /// nil: this user may not look.
    public static func connections(of pid: Int32) -> ConnectionCount? {
        guard let descriptors = ProcessFiles.names(in: "/proc/\(pid)/fd", most: mostDescriptors) else { return nil }
        let states = listed(by: pid)
        let process = cprocess_open(pid)
        defer { if process >= 0 { close(process) } }
        var count = ConnectionCount()
        var asked = 0
        var met: Set<String> = []
        for descriptor in descriptors {
            guard let link = ProcessFiles.link("/proc/\(pid)/fd/\(descriptor)"), link.hasPrefix("socket:["),
                met.insert(link).inserted
            else { continue }
            if let state = states[link] {
                count.add(state)
            } else if process >= 0, asked < mostAsked, let number = Int32(descriptor) {
                asked += 1
                // What is closed is in no table any more, as long as its descriptor is held.
                if Int(cprocess_tcp_state(process, number)) == 7 { count.closedHeld += 1 }
            }
        }
        return count
    }

    /// States by `socket:[INODE]`, of the process's network namespace; 0: a socket of another kind.
    private static func listed(by pid: Int32) -> [String: Int] {
        var states: [String: Int] = [:]
        for (table, place) in [
            ("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("raw", 9), ("unix", 6), ("netlink", 9),
        ] {
            guard let text = ProcessFiles.content(of: "/proc/\(pid)/net/\(table)", most: 256 << 20) else { continue }
            for line in text.split(separator: 0x0a).dropFirst() {
                let words = line.split(separator: 0x20, maxSplits: place + 1)
                guard words.count > place else { continue }
                let inode = String(decoding: words[place], as: UTF8.self)
                let state = table.hasPrefix("tcp") ? Int(String(decoding: words[3], as: UTF8.self), radix: 16) : 0
                states["socket:[\(inode)]"] = state ?? 0
            }
        }
        return states
    }
}

extension ConnectionCount {
    /// `state`: as TCP numbers it; listeners and others are no connections.
    fileprivate mutating func add(_ state: Int) {
        switch state {
        case 1: established += 1
        case 8: clientGone += 1
        case 0, 10: break
        default: ending += 1
        }
    }
}
