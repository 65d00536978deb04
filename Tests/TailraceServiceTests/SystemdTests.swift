// SPDX-License-Identifier: MIT
import CService
import Glibc
import Testing

@testable import TailraceService

@Suite("The service manager")
struct SystemdTests {
    /// A datagram socket that keeps what it is told.
    private final class Manager {
        let socket = Glibc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)

        init(name: String) {
            var to = sockaddr_un()
            to.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(name.utf8)
            withUnsafeMutableBytes(of: &to.sun_path) { path in
                for (place, byte) in bytes.enumerated() { path[place] = byte == 0x40 && place == 0 ? 0 : byte }
            }
            let length = MemoryLayout<sa_family_t>.size + bytes.count
            let socket = socket
            withUnsafePointer(to: &to) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = bind(socket, $0, socklen_t(length)) }
            }
        }

        deinit { close(socket) }

        func heard() -> String {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = recv(socket, &bytes, bytes.count, CInt(MSG_DONTWAIT))
            return count < 0 ? "nothing" : String(decoding: bytes.prefix(count), as: UTF8.self)
        }
    }

    @Test("is told over a file and over an abstract name", arguments: ["/tmp/", "@tailrace-test-"])
    func notifies(prefix: String) {
        let name = prefix + "notify-\(getpid())"
        let manager = Manager(name: name)
        defer { unlink(name) }
        #expect(Systemd.notify("READY=1\nSTATUS=it traces", at: name))
        #expect(manager.heard() == "READY=1\nSTATUS=it traces")
        #expect(!Systemd.notify("READY=1", at: name + "-not"))
        #expect(manager.heard() == "nothing")
    }

    @Test("is nobody where no name, or none that can be, is given")
    func nobody() {
        #expect(!Systemd.notify("READY=1", at: "vsock:2:1234"))
        #expect(!Systemd.notify("READY=1", at: "/" + String(repeating: "a", count: 200)))
        #expect(!Systemd.notify("READY=1", at: ""))
    }

    @Test("expects a sign of life of whom it means")
    func watchdog() {
        #expect(Systemd.watchdogInterval(microseconds: "30000000", pid: nil, own: 7) == 30_000_000_000)
        #expect(Systemd.watchdogInterval(microseconds: "30000000", pid: "7", own: 7) == 30_000_000_000)
        #expect(Systemd.watchdogInterval(microseconds: "30000000", pid: "8", own: 7) == nil)
        for text in [nil, "", "0", "-5", "9223372036854775807", "soon"] {
            #expect(Systemd.watchdogInterval(microseconds: text, pid: nil, own: 7) == nil)
        }
    }
}
