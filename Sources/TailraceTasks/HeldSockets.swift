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
        var held: [UInt64: Int32] = [:]
        for name in descriptors {
            guard let link = ProcessFiles.link("/proc/\(pid)/fd/\(name)"), link.hasPrefix("socket:["),
                let socket = UInt64(link.dropFirst(8).dropLast()), let descriptor = Int32(name)
            else { continue }
            held[socket] = descriptor
        }
        var count = ConnectionCount()
        guard !held.isEmpty else { return count }
        for table in ["tcp", "tcp6", "udp", "udp6", "raw", "unix", "netlink"] {
            let text = ProcessFiles.content(of: "/proc/\(pid)/net/\(table)", most: longestTable) ?? []
            let place = table == "unix" ? 6 : 9
            forEachLine(of: text, socketAt: place) { socket, state in
                guard held.removeValue(forKey: socket) != nil, table.hasPrefix("tcp") else { return }
                count.add(state)
            }
        }
        count.closedHeld = closed(held.values, of: pid)
        return count
    }

    /// What is closed is in no table any more, as long as its descriptor is held.
    private static func closed(_ descriptors: some Collection<Int32>, of pid: Int32) -> Int {
        let process = descriptors.isEmpty ? -1 : cprocess_open(pid)
        guard process >= 0 else { return 0 }
        defer { close(process) }
        return descriptors.prefix(mostAsked).count { cprocess_tcp_state(process, $0) == closedState }
    }

    /// As TCP numbers it.
    private static let closedState: Int32 = 7
    private static let longestTable = 256 << 20

    /// The number of the socket in each line but the first, and the state of TCP's. Tables of a busy machine are long: no
    /// text is made of them.
    private static func forEachLine(of text: [UInt8], socketAt place: Int, _ body: (UInt64, Int) -> Void) {
        var (line, word, isInside) = (0, -1, false)
        var (state, socket): (Int, UInt64) = (0, 0)
        for byte in text {
            if byte == 0x0a {
                if line > 0, socket > 0 { body(socket, state) }
                (line, word, isInside, state, socket) = (line + 1, -1, false, 0, 0)
            } else if byte == 0x20 {
                isInside = false
            } else {
                if !isInside { (word, isInside) = (word + 1, true) }
                if word == 3 { state = (state << 4 | digit(byte)) & 0xff }
                if word == place { socket = socket &* 10 &+ UInt64(digit(byte)) }
            }
        }
    }

    private static func digit(_ byte: UInt8) -> Int {
        Int(byte < 0x3a ? byte &- 0x30 : (byte | 0x20) &- 0x57) & 15
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
