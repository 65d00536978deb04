// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("Servers of many processes")
struct ServerPlacesTests {
    @Test("a process for each connection does not fill the memory, and those that stay keep their counts")
    func forking() {
        var correlator = Correlator()
        let endpoint = Endpoint(ipv4: true, bytes: (0, 0), port: 80)
        func use(_ cookie: UInt64, by pid: Int32) {
            let connection = Connection(cookie: cookie, local: endpoint, remote: endpoint, established: 0)
            let server = Server(pid: pid, started: 1, comm: "server", executable: nil, cgroup: nil)
            correlator.take(.socketUsed(SocketUse(connection: connection, server: server, at: 1))) { _ in }
        }
        func read(_ cookie: UInt64) {
            var read = RequestRead()
            read.socket = cookie
            read.at = 5
            read.bytes = 10
            read.isFirst = true
            withUnsafePointer(to: &read) { read in correlator.take(.requestRead(read)) { _ in } }
        }
        use(1, by: 1)
        read(1)
        for number in 2...10_000 {
            use(UInt64(number), by: Int32(number))
            read(UInt64(number))
            let end = StateChange(
                socket: UInt64(number), at: 9, old: .established, new: .closed, error: 0, unackedBytes: 0)
            correlator.take(.stateChanged(end)) { _ in }
            #expect(correlator.servers <= 70)
        }
        #expect(correlator.openResponses == 1)
        #expect(correlator.connections == 1)
    }
}
