// SPDX-License-Identifier: MIT
import Glibc
import Testing

@testable import TailraceService

@Suite("A service and its clients", .serialized)
struct ServiceTests {
    @Test("answers one request after the other on a connection")
    func keepsAlive() throws {
        let rig = try Rig()
        let client = rig.client()
        for number in 0..<3 {
            client.get("/v1/health?n=\(number)")
            let reply = client.read(until: "</v1/health n=\(number)>")
            #expect(reply.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(reply)")
        }
        let account = rig.account { $0.answered == 3 }
        #expect(account.requests == 3 && account.waiting == 0 && account.open == 1, "\(account)")
    }
}
