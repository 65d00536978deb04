// SPDX-License-Identifier: MIT
import Foundation
import TailraceModel
import Testing

@testable import TailraceOutput

/// A response whose texts are all from an attacker.
private func hostileResponse(_ text: String) -> Response {
    let endpoint = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
    var response = Response(connection: Connection(cookie: 255, local: endpoint, remote: endpoint, established: 0))
    response.server = Server(pid: 7, started: 1, comm: text, executable: text, cgroup: text)
    response.method = text
    response.target = text
    response.contentType = text
    response.begin = 1_000_000_000
    response.end = 3_000_000_000
    response.state = .ended
    return response
}

private let run = RunDescription(
    version: "1", host: "h", kernel: "k", backend: "tracepoint", anchor: ClockAnchor(monotonic: 0, wall: 0))
private let anchor = ClockAnchor(monotonic: 0, wall: 0)

@Suite("CSV")
struct CSVTests {
    /// A reader as RFC 4180 has it, which knows nothing of the writer.
    private func cells(of line: [UInt8]) -> [String] {
        var cells: [String] = []
        var (cell, isQuoted): ([UInt8], Bool) = ([], false)
        var index = 0
        while index < line.count {
            let byte = line[index]
            index += 1
            if isQuoted {
                guard byte == 0x22 else {
                    cell.append(byte)
                    continue
                }
                if index < line.count, line[index] == 0x22 {
                    cell.append(0x22)
                    index += 1
                } else {
                    isQuoted = false
                }
            } else if byte == 0x22 {
                isQuoted = true
            } else if byte == 0x2c {
                cells.append(String(decoding: cell, as: UTF8.self))
                cell = []
            } else {
                cell.append(byte)
            }
        }
        return cells + [String(decoding: cell, as: UTF8.self)]
    }

    private func row(_ response: Response) throws -> [String: String] {
        let csv = CSV(run: run)
        let (header, line) = (csv.begin(), csv.response(response, anchor: anchor))
        #expect(header.suffix(2) == [0x0d, 0x0a] && line.suffix(2) == [0x0d, 0x0a])
        let (names, values) = (cells(of: header.dropLast(2)), cells(of: line.dropLast(2)))
        try #require(names.count == values.count)
        try #require(Set(names).count == names.count)
        return Dictionary(uniqueKeysWithValues: zip(names, values))
    }

    @Test(
        "what a spreadsheet would compute is text",
        arguments: [
            "=1+1", "+1", "-1", "@SUM(A1)", "\u{ff1d}1", "\u{ff0b}1", "\u{ff0d}1", "\u{ff20}x", "=\"a\",b\r\n=c",
        ])
    func formulas(text: String) throws {
        let row = try row(hostileResponse(text))
        for name in ["server_comm", "server_exe", "server_cgroup", "method", "target", "content_type"] {
            let cell = try #require(row[name])
            #expect(
                cell.hasPrefix("'") && cell.unicodeScalars.dropFirst().first == text.unicodeScalars.first,
                "\(name): \(cell)")
        }
    }

    @Test(
        "quotes, commas and line breaks stay in their cell",
        arguments: ["a,b", "say \"so\"", "\"", ",,,", "a\r\nb", "x\ty"])
    func quoting(text: String) throws {
        let csv = CSV(run: run)
        let line = csv.response(hostileResponse(text), anchor: anchor)
        #expect(line.filter { $0 == 0x0a }.count == 1, "no line break but the last")
        let row = try row(hostileResponse(text))
        #expect(row["target"] == Sanitizer.visible(text))
        #expect(row["duration_ns"] == "2000000000" && row["id"] == "ff-0")
    }

    @Test("units are in the names, and what is not known is empty")
    func unknown() throws {
        let row = try row(hostileResponse("/"))
        #expect(row["status"] == "" && row["ttff_ns"] == "" && row["timeline_driver_ns"] != nil)
        #expect(row["begin"] == "1970-01-01T00:00:01.000000000Z")
        let units = ["_ns", "_bytes", "_count", "_max", "_begin", "_end", "_pid", "_id"]
        for name in row.keys
        where Int(row[name] ?? "") != nil && !["flushes", "status", "socket_retransmits"].contains(name) {
            #expect(units.contains { name.hasSuffix($0) }, "\(name)")
        }
    }
}

@Suite("One JSON document")
struct JSONDocumentTests {
    @Test("the same objects as NDJSON, in an array")
    func same() throws {
        let (document, lines) = (JSONDocument(run: run), NDJSON(run: run))
        var (whole, each): ([UInt8], [UInt8]) = ([], [])
        for (format, isDocument) in [(document as any ResponseFormat, true), (lines, false)] {
            var bytes = format.begin()
            for text in ["/", "]", "\n,"] { bytes += format.response(hostileResponse(text), anchor: anchor) }
            bytes += format.loss(Loss(), at: 0)
            var end = RunEnd()
            end.recording = RecordingEnd()
            bytes += format.end(end)
            if isDocument { whole = bytes } else { each = bytes }
        }
        let array = try #require(try JSONSerialization.jsonObject(with: Data(whole)) as? [NSDictionary])
        let objects = try each.split(separator: 0x0a).map {
            try #require(try JSONSerialization.jsonObject(with: Data($0)) as? NSDictionary)
        }
        #expect(array.count == 6 && array == objects)
    }
}
