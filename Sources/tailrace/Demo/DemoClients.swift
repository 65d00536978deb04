// SPDX-License-Identifier: MIT
import Glibc
import TailraceCapture

/// The demo's clients: a thread for each scenario, all at once.
struct DemoClients {
    let port: UInt16

    /// Returns when all have what they asked for, or their parent is gone.
    func run(_ scenarios: [DemoScenario]) {
        endWithParent()
        let group = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)
        pthread_barrier_init(group, nil, UInt32(scenarios.count) + 1)
        let barrier = UInt(bitPattern: group)
        for scenario in scenarios {
            let (path, requests, rate, port) = (scenario.path, scenario.requests, scenario.readRate, port)
            Thread.start {
                let client = DemoClient(port: port, path: path, readRate: rate)
                var asked = 0
                while asked < requests { asked += client.ask(atMost: requests - asked) }
                if let group = UnsafeMutablePointer<pthread_barrier_t>(bitPattern: barrier) {
                    pthread_barrier_wait(group)
                }
            }
        }
        pthread_barrier_wait(group)
        // Waits until the others have left it too.
        pthread_barrier_destroy(group)
        group.deallocate()
    }
}

/// One client on one connection at a time.
private struct DemoClient {
    let port: UInt16
    let path: String
    let readRate: Int?

    /// Asks on one connection until the server closes it; returns how often.
    func ask(atMost requests: Int) -> Int {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(connection) }
        if readRate != nil { setOption(connection, Int(SOL_SOCKET), SO_RCVBUF, 65536) }
        var address = sockaddr_in.loopback(port: port)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { return requests }
        for asked in 1...requests {
            let request = "GET \(path)?secret=never-shown HTTP/1.1\r\nHost: localhost\r\n\r\n"
            guard Output.write(Array(request.utf8), to: connection), readReply(connection) else { return asked }
        }
        return requests
    }

    /// False: the server closed, which ends a stream.
    private func readReply(_ connection: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16384)
        var total = 0
        var expected: Int?
        var due: Int64 = 0
        while total < expected ?? .max {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            if total == 0 { expected = replyLength(String(decoding: buffer[..<count], as: UTF8.self)) }
            total += count
            guard let readRate else { continue }
            // No credit for idle time: after a pause it reads no faster than before.
            let now = readClock(CLOCK_MONOTONIC)
            due = max(due, now) + Int64(Double(count) / Double(readRate) * 1e9)
            usleep(UInt32((due - now) / 1000))
        }
        return true
    }

    /// Bytes of head and body; nil: until the server closes.
    private func replyLength(_ text: String) -> Int? {
        guard let head = text.range(of: "\r\n\r\n"), let field = text.range(of: "Content-Length: ") else { return nil }
        let digits = text[field.upperBound...].prefix { $0.isNumber }
        return Int(digits).map { $0 + text[..<head.upperBound].utf8.count }
    }
}

extension String {
    /// Where `needle` first stands.
    fileprivate func range(of needle: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            start = index(after: start)
        }
        return nil
    }
}
