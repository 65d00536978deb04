// SPDX-License-Identifier: MIT
import TailraceModel

/// What `doctor` found.
public struct DoctorReport: Sendable {
    /// One fact. `isGood` nil: it decides nothing.
    public struct Fact: Sendable {
        /// What was asked.
        public let name: String
        /// What the kernel answered.
        public let value: String
        /// Whether tracing can use it.
        public let isGood: Bool?

        /// All of it.
        public init(name: String, value: String, isGood: Bool?) {
            self.name = name
            self.value = value
            self.isGood = isGood
        }
    }

    /// A probe that was loaded and attached.
    public struct Program: Sendable {
        /// What was asked.
        public let name: String
        /// That the verifier walked through.
        public let instructions: Int

        /// Both.
        public init(name: String, instructions: Int) {
            self.name = name
            self.instructions = instructions
        }
    }

    /// Something that tailrace does, and whether this user's rights allow it.
    public struct Feature: Sendable {
        /// For programs.
        public let id: String
        /// For people.
        public let name: String
        /// nil: it is not asked for here.
        public let works: Bool?
        /// Capabilities that would turn it on; empty: they are not what is missing.
        public let needs: [String]
        /// What is told instead, or what to do; nil: nothing.
        public let otherwise: String?

        /// All of it.
        public init(id: String, name: String, works: Bool?, needs: [String], otherwise: String?) {
            (self.id, self.name, self.works, self.needs) = (id, name, works, works == false ? needs : [])
            self.otherwise = works == true ? nil : otherwise
        }

        /// One sentence.
        var value: String {
            guard works != true else { return "yes" }
            let wanted = needs.isEmpty ? "" : "needs \(needs.joined(separator: " and "))"
            let words = [wanted, otherwise ?? ""].filter { !$0.isEmpty }.joined(separator: "; ")
            return works == nil ? words : "no: " + words
        }
    }

    /// tailrace's version.
    public let version: String
    /// `uname -r`.
    public let kernel: String
    /// `uname -m`.
    public let architecture: String
    /// In the order in which they are shown.
    public var facts: [Fact]
    /// With the rights of this user.
    public var features: [Feature] = []
    /// nil: none works here.
    public var backend: String?
    /// The backends that were not taken, and why.
    public var others: [(backend: String, reason: String)] = []
    /// Why the backend cannot tell the stage `driver`; nil: it can.
    public var driverUnavailable: String?
    /// Empty where nothing could be loaded.
    public var programs: [Program] = []
    /// What is missing, and what to do; nil: nothing.
    public var advice: String?

    /// Facts only.
    public init(version: String, kernel: String, architecture: String, facts: [Fact]) {
        self.version = version
        self.kernel = kernel
        self.architecture = architecture
        self.facts = facts
    }

    /// For people. Marks are words and signs, never colour alone.
    public func text() -> String {
        var text = "tailrace \(version) on Linux \(Sanitizer.visible(kernel)) (\(architecture))\n\n"
        text += Self.table(facts.map { ($0.isGood.map { $0 ? "ok" : "NO" }, $0.name, $0.value) })
        text += "\nWith the rights of this user:\n"
        text += Self.table(features.map { ($0.works.map { $0 ? "ok" : "off" }, $0.name, $0.value) }) + "\n"
        if let backend {
            text += "backend: \(backend)\n"
            let listed = programs.map { "\($0.name) (\($0.instructions) instructions verified)" }.joined(
                separator: ", ")
            text += "loaded, attached and taken away again: \(listed)\n"
            text += driverUnavailable.map { "driver: not known; \($0)\n" } ?? ""
        }
        for (other, reason) in others { text += "not \(other): \(Sanitizer.visible(reason))\n" }
        text += advice.map { "cannot trace: \($0)\n" } ?? "Tracing works here: sudo tailrace trace --port PORT\n"
        return text
    }

    /// A mark, a name and what there is to say, a line each.
    private static func table(_ lines: [(mark: String?, name: String, value: String)]) -> String {
        let width = (lines.map(\.name.count).max() ?? 0) + 2
        return lines.map { line in
            "  \((line.mark ?? "--").padded(to: 3)) \(line.name.padded(to: width))\(Sanitizer.visible(line.value))\n"
        }.joined()
    }

    /// For programs.
    public func json() -> [UInt8] {
        var line = JSONLine(type: "doctor")
        line.field("version", string: version)
        line.field("kernel", string: kernel)
        line.field("architecture", string: architecture)
        line.field("backend", string: backend)
        line.object("other_backends") { line in
            for (other, reason) in others { line.object(named: other) { $0.field("reason", string: reason) } }
        }
        line.object("unavailable") { $0.field("driver", string: driverUnavailable) }
        line.object("facts") { line in
            for fact in facts {
                line.object(named: fact.name) {
                    $0.field("value", string: fact.value)
                    $0.field("good", fact.isGood)
                }
            }
        }
        line.object("features") { line in
            for feature in features {
                line.object(named: feature.id) {
                    $0.field("works", feature.works)
                    $0.array("needs", strings: feature.needs)
                    $0.field("otherwise", string: feature.otherwise)
                }
            }
        }
        line.object("programs") { line in
            for program in programs {
                line.object(named: program.name) { $0.field("verified_instructions", program.instructions) }
            }
        }
        line.field("advice", string: advice)
        return line.closed()
    }
}
