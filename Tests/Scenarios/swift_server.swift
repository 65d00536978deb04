// SPDX-License-Identifier: MIT

// A server whose handlers leave Swift tasks behind, on purpose: GET /open/100 leaves a hundred that wait, GET /close ends them
// all, GET /nothing neither. One connection after the other, by its only own task; the answer says how many tasks are open.

import Glibc

@main
struct SwiftServer {
    static let gate = Gate()

    static func listener() -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                guard bind(descriptor, $0, length) == 0, listen(descriptor, 16) == 0,
                    getsockname(descriptor, $0, &length) == 0
                else { exit(1) }
            }
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// What a handler does that starts work for its client and never ends it.
    @inline(never)
    static func leave(_ count: Int) -> [Task<Void, Never>] { (0..<count).map { _ in Task { await gate.wait() } } }

    static func main() async {
        let (descriptor, port) = listener()
        print("{\"port\": \(port)}")
        fflush(stdout)
        var held: [Task<Void, Never>] = []
        while true {
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { exit(1) }
            var buffer = [UInt8](repeating: 0, count: 4096)
            while case let count = read(connection, &buffer, buffer.count), count > 0 {
                let target =
                    String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ").dropFirst().first ?? ""
                let words = target.split(separator: "/")
                if words.first == "open", let more = words.last.flatMap({ Int($0) }) {
                    held += leave(more)
                    await gate.settle(held.count)
                } else if words.first == "close" {
                    await gate.open()
                    for task in held { await task.value }
                    held = []
                }
                // And the one that serves.
                let body = String(held.count + 1)
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body
                _ = answer.withCString { write(connection, $0, strlen($0)) }
            }
            close(connection)
        }
    }
}
