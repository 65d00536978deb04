// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers
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

    @Test("answers requests that come at once in their order")
    func pipelines() throws {
        var limits = ServiceLimits()
        limits.requestsPerSecond = 1000
        let rig = try Rig(limits)
        let client = rig.client()
        let count = 200
        client.send((0..<count).map { "GET /n/\($0) HTTP/1.1\r\nHost: \r\n\r\n" }.joined())
        let reply = client.read(until: "</n/\(count - 1)>")
        let found = reply.split(separator: "</n/").dropFirst().map { $0.prefix { $0 != ">" } }
        #expect(found == (0..<count).map { "\($0)" }, "\(found)")
        let account = rig.account { $0.answered == count }
        #expect(account.requests == count && account.turnedAway == 0, "\(account)")
    }

    @Test("finishes what was asked by a client that says no more")
    func halfCloses() throws {
        let rig = try Rig()
        let client = rig.client()
        client.get("/a")
        client.get("/b")
        client.finish()
        let reply = client.read()
        #expect(reply.contains("</a>") && reply.contains("</b>"), "\(reply)")
        #expect(client.isEnded(within: 5))
        let account = rig.account { $0.open == 0 }
        #expect(account.answered == 2 && account.closed == 1 && account.malformed == 0, "\(account)")
    }

    @Test("answers with 503 for who lets go of a request")
    func letGo() throws {
        let rig = try Rig { _ in }
        let client = rig.client()
        client.get("/v1/health")
        let reply = client.read(until: "\"}\n")
        #expect(reply.hasPrefix("HTTP/1.1 503 ") && reply.contains("{\"error\":\"the service let go"), "\(reply)")
        #expect(rig.account { $0.answered == 1 }.answered == 1)
    }

    @Test("takes the first of two answers")
    func answersOnce() throws {
        let rig = try Rig { request in
            request.refuse(status: 404, "there is no \"\(request.path)\" here")
            request.answer(status: 200, type: "text/plain", Array("second".utf8))
            #expect(!request.stream(type: "text/plain").send(Array("third".utf8)))
        }
        let client = rig.client()
        client.get("/x")
        let reply = client.read(until: "here\"}\n")
        #expect(reply.hasPrefix("HTTP/1.1 404 ") && reply.contains(#"{"error":"there is no \"/x\" here"}"#), "\(reply)")
        #expect(client.read(seconds: 0.2) == "")
    }

    @Test("says the same to HEAD, without the body")
    func head() throws {
        let rig = try Rig { request in
            if request.path == "/feed" {
                let feed = request.stream(type: "text/event-stream")
                feed.send(Array("data: x\n\n".utf8))
                feed.end()
            } else {
                Rig.echo(request)
            }
        }
        let client = rig.client()
        client.send("HEAD /v1/health HTTP/1.1\r\nHost: \r\n\r\n")
        client.get("/after")
        let reply = client.read(until: "</after>")
        #expect(reply.contains("Content-Length: 12\r\n") && !reply.contains("</v1/health>"), "\(reply)")
        client.send("HEAD /feed HTTP/1.1\r\nHost: \r\n\r\n")
        let feed = client.read()
        #expect(feed.hasPrefix("HTTP/1.1 200 OK\r\n") && feed.hasSuffix("\r\n\r\n"), "\(feed)")
    }

    @Test("has only some paths over TCP")
    func remote() throws {
        let peers = NIOLockedValueBox<[Peer]>([])
        let rig = try Rig { request in
            peers.withLockedValue { $0.append(request.peer) }
            Rig.echo(request)
        }
        let client = Client(port: rig.port)
        client.get("/v1/responses")
        #expect(client.read(until: "socket\"}\n").contains("404 Not Found"))
        client.get("/metrics")
        #expect(client.read(until: "</metrics>").contains("200 OK"), "the connection goes on")
        guard case .remote(let address)? = peers.withLockedValue({ $0.first }) else {
            Issue.record("\(peers.withLockedValue { $0 })")
            return
        }
        #expect(address.hasPrefix("127.0.0.1:"))
        let local = rig.client()
        local.get("/metrics")
        _ = local.read(until: "</metrics>")
        #expect(peers.withLockedValue { $0.last } == .local(uid: geteuid(), gid: getegid(), pid: getpid()))
        #expect(rig.account { $0.answered == 3 }.requests == 3)
    }

    @Test("HTTP/1.0 is answered once, and without chunks")
    func oldHTTP() throws {
        let rig = try Rig { request in
            let feed = request.stream(type: "text/plain")
            feed.send(Array("one".utf8))
            feed.send([])
            feed.send(Array("two".utf8))
            feed.end()
        }
        let client = rig.client()
        client.send("GET / HTTP/1.0\r\n\r\n")
        let reply = client.read()
        #expect(reply.hasPrefix("HTTP/1.0 200 OK\r\n") && reply.hasSuffix("\r\n\r\nonetwo"), "\(reply)")
        let new = rig.client()
        new.get("/")
        let chunks = new.read(until: "0\r\n\r\n")
        #expect(chunks.hasSuffix("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "\(chunks)")
    }
}
