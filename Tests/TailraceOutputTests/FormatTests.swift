// SPDX-License-Identifier: MIT
import Foundation
import TailraceModel
import Testing

@testable import TailraceOutput

@Suite("Numbers and times as text")
struct FormatTests {
    @Test("durations keep three digits and the right unit")
    func durations() {
        let cases: [(Int64?, String)] = [
            (nil, "-"), (0, "0"), (999, "999ns"), (1000, "1.00us"), (12_345, "12.3us"), (999_999, "1.00ms"),
            (100_000_000, "100ms"), (1_234_000_000, "1.23s"), (95_000_000_000, "95.0s"), (3_600_000_000_000, "3600s"),
        ]
        for (value, text) in cases { #expect(Quantity.duration(value) == text) }
    }

    @Test("sizes in binary units")
    func sizes() {
        #expect(Quantity.size(0) == "0B")
        #expect(Quantity.size(1023) == "1023B")
        #expect(Quantity.size(128 << 10) == "128KiB")
        #expect(Quantity.size(3_565_158) == "3.40MiB")
    }

    @Test("timestamps agree with Foundation's calendar", arguments: [0, 951_782_400, 1_709_210_096, 4_102_444_799, -1])
    func timestamps(seconds: Int) {
        let formatter = ISO8601DateFormatter()
        let expected = formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
        let text = Timestamp.rfc3339(Int64(seconds) * 1_000_000_000 + 42)
        #expect(text == expected.dropLast() + ".000000042Z")
    }
}

@Suite("NDJSON")
struct NDJSONTests {
    private var ndjson: NDJSON {
        NDJSON(
            run: RunDescription(
                version: "0", host: "h", kernel: "k", backend: "tracepoint", anchor: ClockAnchor(monotonic: 0, wall: 0))
        )
    }

    private func object(_ bytes: [UInt8]) throws -> [String: Any] {
        #expect(bytes.last == 0x0a)
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    @Test("a response has every name of the contract, null for what is not known, and no other")
    func names() throws {
        let endpoint = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
        var response = Response(
            connection: Connection(cookie: 255, local: endpoint, remote: endpoint, established: 0))
        response.begin = 1_000_000_000
        response.end = 3_000_000_000
        response.timeline[.driver] = nil
        let anchor = ClockAnchor(monotonic: 0, wall: 0)
        let object = try object(ndjson.response(response, anchor: anchor))
        let names: Set = [
            "v", "type", "id", "state", "begin", "end", "duration_ns", "server", "connection", "protocol", "method",
            "target",
            "status", "content_type", "streaming", "ended_by", "request_bytes", "response_bytes", "flushes", "ttff_ns",
            "ack_delay_ns", "backend", "timeline_ns", "cause_ns", "delivery_ns", "gap_ns", "socket", "tasks",
            "in_flight",
            "serving", "left_behind", "adopted", "estimated",
        ]
        #expect(Set(object.keys) == names)
        #expect(object["begin"] as? String == "1970-01-01T00:00:01.000000000Z")
        #expect(object["duration_ns"] as? Int == 2_000_000_000)
        let timeline = try #require(object["timeline_ns"] as? [String: Any])
        #expect(Set(timeline.keys) == Set(Stage.allCases.map(\.rawValue)))
        #expect(timeline["driver"] is NSNull)
        #expect(timeline["app"] as? Int == 0)
        #expect((object["connection"] as? [String: Any])?["local"] as? String == "127.0.0.1:80")
        let delivery = try #require(object["delivery_ns"] as? [String: [String: Any]])
        #expect(Set(delivery.keys) == ["send", "queue", "qdisc", "driver", "network", "total"])
        #expect(delivery["send"]?["mean"] is NSNull)
        #expect(delivery["send"]?["count"] as? Int == 0)
    }

    @Test("the end says what was lost, by kind")
    func loss() throws {
        var end = RunEnd()
        end.loss.lost["flushes"] = 3
        end.loss.missed = 2
        end.unattributed = 1
        let object = try object(ndjson.end(end))
        let told = try #require(object["loss"] as? [String: Int])
        #expect(told["flushes"] == 3 && told["missed"] == 2 && told["unattributed"] == 1 && told["reads"] == 0)
    }
}

@Suite("The table of `trace`")
struct TraceTableTests {
    @Test("rows are no wider than the terminal, and columns stand under their names", arguments: [80, 100, 132, 160])
    func widths(width: Int) {
        let endpoint = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 65535)
        var response = Response(connection: Connection(cookie: 1, local: endpoint, remote: endpoint, established: 0))
        response.method = "DELETE"
        response.target = "/" + String(repeating: "\u{1b}x", count: 50)
        response.endedBy = .clientReset
        response.end = 123_456_789_000
        response.responseBytes = 123_456_789
        response.timeline.add(response.duration, to: .read)
        let anchor = ClockAnchor(monotonic: 0, wall: 0)
        let table = TraceTable(width: width, anchor: anchor)
        let header = String(decoding: table.begin(), as: UTF8.self)
        let row = String(decoding: table.response(response, anchor: anchor), as: UTF8.self)
        #expect(header.count <= width + 1)
        #expect(row.count <= width + 1)
        #expect(!row.contains("\u{1b}"))
        #expect(header.contains("QUEUE") == (width >= 120))
        #expect(row.contains("read 100 %"))
    }
}
