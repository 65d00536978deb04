// SPDX-License-Identifier: MIT
import CService
import Glibc

/// A client that knows nothing of HTTP: bytes out, bytes in, and how long it waits for them.
final class Client: Sendable {
    let socket: CInt

    /// Over a unix socket.
    init(path: String) {
        socket = cservice_stream(AF_UNIX, 1)
        isConnected = cservice_connect(socket, path) == 0
    }

    /// Over TCP, to this machine.
    init(port: Int) {
        socket = cservice_stream(AF_INET, 1)
        var name = sockaddr_in()
        (name.sin_family, name.sin_port) = (sa_family_t(AF_INET), UInt16(port).bigEndian)
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let socket = socket
        isConnected =
            withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            } == 0
    }

    let isConnected: Bool

    deinit { close(socket) }

    /// false: the other side takes no more.
    @discardableResult
    func send(_ bytes: some Sequence<UInt8>) -> Bool {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(text.utf8) }

    func get(_ target: String) { send("GET \(target) HTTP/1.1\r\nHost: \r\n\r\n") }

    /// No more from here.
    func finish() { shutdown(socket, CInt(SHUT_WR)) }

    /// What comes until the text is there, the other side ends, or nothing came for so long.
    func read(until text: String? = nil, seconds: Double = 5) -> String {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while isReadable(seconds: seconds) {
            let count = recv(socket, &piece, piece.count, 0)
            guard count > 0 else { break }
            bytes.append(contentsOf: piece.prefix(count))
            if let text, contains(bytes, Array(text.utf8)) { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the other side ended, or reset, the connection within that time.
    func isEnded(within seconds: Double) -> Bool {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while isReadable(seconds: seconds) {
            if recv(socket, &piece, piece.count, 0) <= 0 { return true }
        }
        return false
    }

    private func isReadable(seconds: Double) -> Bool {
        var wait = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, CInt(seconds * 1000)) > 0
    }

    private func contains(_ bytes: [UInt8], _ wanted: [UInt8]) -> Bool {
        guard bytes.count >= wanted.count else { return false }
        // Only what could be new.
        let from = max(0, bytes.count - (1 << 16) - wanted.count)
        return (from...(bytes.count - wanted.count)).contains { bytes[$0..<($0 + wanted.count)].elementsEqual(wanted) }
    }
}
