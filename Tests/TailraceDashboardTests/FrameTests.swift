// SPDX-License-Identifier: MIT
import Glibc
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceDashboard

@Suite("Frames")
struct FrameTests {
    private static let views: [(name: String, keys: [Key])] = [
        ("overview", []), ("responses", [.character("2")]), ("connections", [.character("3")]),
        ("tasks", [.character("4")]), ("findings", [.character("5")]), ("help", [.character("?")]),
        ("response", [.enter]), ("finding", [.character("5"), .enter]), ("groups", [.character("2"), .character("g")]),
    ]
    private static let sizes = [(160, 45), (120, 30), (80, 24)]

    private func frame(
        _ snapshot: Snapshot, _ keys: [Key], _ columns: Int, _ rows: Int, _ capabilities: Capabilities
    ) -> Canvas {
        var state = InterfaceState()
        for key in keys { _ = state.take(key, snapshot) }
        return Dashboard.frame(snapshot, state, columns: columns, rows: rows, capabilities)
    }

    /// `TAILRACE_WRITE_FRAMES=1` writes them anew; look at them before they are committed.
    @Test("each view at three sizes is as it was looked at", arguments: views.map(\.name))
    func golden(name: String) throws {
        let keys = Self.views.first { $0.name == name }?.keys ?? []
        for (columns, rows) in Self.sizes {
            for capabilities in [Capabilities(colours: .none), Capabilities.text] {
                let tier = capabilities.isUnicode ? "full" : "ascii"
                let lines = frame(SampleSnapshot.make(), keys, columns, rows, capabilities).lines
                let path = Self.folder + "\(name)-\(columns)x\(rows)-\(tier).txt"
                let text = lines.joined(separator: "\n") + "\n"
                if getenv("TAILRACE_WRITE_FRAMES") != nil { try Self.write(text, to: path) }
                let golden = try #require(Self.read(path), "\(path) is missing: TAILRACE_WRITE_FRAMES=1 writes it")
                let expected = golden.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(
                    String.init)
                for (row, (line, wanted)) in zip(lines, expected).enumerated() where line != wanted {
                    Issue.record("\(path) row \(row):\n\(line)\nbut should be\n\(wanted)")
                    return
                }
                #expect(lines.count == expected.count)
            }
        }
    }

    @Test("at every size nothing leaves its frame, whatever the names are")
    func sizes() {
        var random = SeededGenerator(state: 3)
        for _ in 0..<150 {
            let (columns, rows) = (Int.random(in: 1...220, using: &random), Int.random(in: 1...70, using: &random))
            let (_, keys) = Self.views.randomElement(using: &random) ?? Self.views[0]
            let tier = GlyphTier.allCases.randomElement(using: &random) ?? .full
            let snapshot = SampleSnapshot.make(open: Int.random(in: 0...60, using: &random))
            let canvas = frame(snapshot, keys, columns, rows, Capabilities(colours: .truecolor, tier: tier))
            #expect(canvas.columns == columns && canvas.rows == rows)
            for line in canvas.lines {
                #expect(line.unicodeScalars.allSatisfy { Sanitizer.isSafe($0) })
                #expect(canvas.width(of: line) <= columns)
                let isASCII = line.unicodeScalars.allSatisfy { $0.isASCII }
                #expect(isASCII || tier != .ascii)
            }
            guard columns >= Dashboard.least.columns, rows >= Dashboard.least.rows else { continue }
            // A frame that begins at the left edge ends at the right one.
            for line in canvas.lines where line.hasPrefix("│") || line.hasPrefix("|") {
                #expect(canvas.width(of: line) == columns, "\(columns)x\(rows) \(keys): \(line)")
                #expect(line.hasSuffix("│") || line.hasSuffix("|"))
            }
        }
    }

    @Test("columns of a table begin where their headings do, with wide characters too")
    func alignment() throws {
        let all = frame(SampleSnapshot.make(), [.character("2")], 160, 45, Capabilities(colours: .none)).lines
        let lines = all.prefix { !$0.contains("slowest that ended") }
        let heading = try #require(lines.first { $0.contains("REQUEST") })
        let place = try #require(Self.column(of: "REQUEST", in: heading))
        for line in lines
        where line.contains("GET /stream") && line.contains("client window") && line.contains("blocked") {
            #expect(Self.column(of: "GET /", in: line) == place, "\(line)")
        }
        let evil = try #require(lines.first { $0.contains("\\u{1b}") && $0.contains("GET /stream/2") })
        #expect(Self.column(of: "GET /stream", in: evil) == place, "\(evil)")
    }

    @Test("what is below the least size is one sentence")
    func small() {
        let lines = frame(SampleSnapshot.make(), [], 59, 20, .text).lines
        #expect(
            lines[0] == "tailrace needs 60x15 cells; this is 59x20. q quits" && lines.dropFirst().allSatisfy(\.isEmpty))
    }

    @Test("a run of which nothing is known yet is drawn, in every view")
    func empty() {
        for (name, keys) in Self.views {
            let lines = frame(Snapshot(), keys, 80, 24, .text).lines
            #expect(lines.count == 24 && lines[0].contains("tailrace"), "\(name)")
        }
    }

    @Test("no p99 is shown for fewer than 100 values")
    func fewValues() throws {
        var snapshot = SampleSnapshot.make()
        var times = Distribution()
        times.add(5_000_000, times: 40)
        times.add(9_000_000, times: 59)
        snapshot.responses.rows = [StageRow(stage: .app, times: times)]
        snapshot.responses.total = times
        let line = try #require(frame(snapshot, [], 120, 30, .text).lines.first { $0.hasPrefix("| app") })
        let words = line.split(separator: " ")
        #expect(words[2].hasSuffix("ms") && words[3] == "-", "\(line)")
    }

    private static func column(of text: String, in line: String) -> Int? {
        let line = Array(line.unicodeScalars)
        let text = Array(text.unicodeScalars)
        guard line.count >= text.count else { return nil }
        let place = (0...line.count - text.count).first { Array(line[$0..<$0 + text.count]) == text }
        return place.map { place in
            var before = String.UnicodeScalarView()
            before.append(contentsOf: line[..<place])
            return Canvas(columns: 1024, rows: 1, capabilities: Capabilities(colours: .none)).width(of: String(before))
        }
    }

    private static let folder: String = {
        let parts = #filePath.split(separator: "/").dropLast(2)
        return "/" + parts.joined(separator: "/") + "/Fixtures/frames/"
    }()

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func write(_ text: String, to path: String) throws {
        mkdir(folder, 0o755)
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        fputs(text, file)
    }
}
