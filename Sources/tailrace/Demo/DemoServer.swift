// SPDX-License-Identifier: MIT
import Glibc

/// A streaming server such as anyone would write: a thread for each connection, blocking calls, no idea of being traced.
struct DemoServer {
    /// Listens on a free loopback port, prints it, and serves until its input closes.
    func serve() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in.loopback(port: 0)
        guard listener >= 0, bind(listener, &address) == 0, listen(listener, 128) == 0 else {
            throw Failure("the demo's server cannot listen: \(String(cString: strerror(errno)))")
        }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(listener, $0, &length) }
        }
        Output.write(Array("\(UInt16(bigEndian: address.sin_port))\n".utf8), to: STDOUT_FILENO)
        endWithParent()
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { continue }
            setOption(connection, IPPROTO_TCP, TCP_NODELAY, 1)
            Thread.start { serve(connection) }
        }
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            let request = String(decoding: buffer[..<count], as: UTF8.self)
            let target = request.split(separator: " ").dropFirst().first ?? "/"
            guard answer(connection, target.prefix { $0 != "?" }) else { return }
        }
    }

    /// False: the connection is done.
    private func answer(_ connection: Int32, _ path: Substring) -> Bool {
        switch path {
        case "/tokens":
            guard send(connection, head(streaming: true)) else { return false }
            for index in 0..<40 {
                guard send(connection, "data: {\"token\": \(index)}\n\n") else { return false }
                usleep(20_000)
            }
            return false
        case "/think":
            usleep(300_000)
            return reply(connection, bytes: 2000)
        case "/download": return reply(connection, bytes: 6_000_000)
        case "/bursts":
            guard send(connection, head(streaming: true)) else { return false }
            let piece = [UInt8](repeating: 0x2e, count: 4096)
            for _ in 0..<12 {
                for _ in 0..<256 where !Output.write(piece, to: connection) { return false }
                usleep(250_000)
            }
            return false
        default: return reply(connection, bytes: 200)
        }
    }

    private func reply(_ connection: Int32, bytes: Int) -> Bool {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(bytes)\r\n\r\n"
        return Output.write(Array(head.utf8) + [UInt8](repeating: 0x2e, count: bytes), to: connection)
    }

    private func head(streaming: Bool) -> String {
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    }

    private func send(_ connection: Int32, _ text: String) -> Bool { Output.write(Array(text.utf8), to: connection) }
}

extension sockaddr_in {
    /// 127.0.0.1 and a port in host byte order.
    static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        return address
    }
}

private func bind(_ descriptor: Int32, _ address: inout sockaddr_in) -> Int32 {
    withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

/// Sets an integer option of a socket.
func setOption(_ descriptor: Int32, _ level: Int, _ name: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, Int32(level), name, &value, socklen_t(MemoryLayout<Int32>.size))
}
