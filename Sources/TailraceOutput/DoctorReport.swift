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

    /// tailrace's version.
    public let version: String
    /// `uname -r`.
    public let kernel: String
    /// `uname -m`.
    public let architecture: String
    /// In the order in which they are shown.
    public var facts: [Fact]
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
        let width = (facts.map(\.name.count).max() ?? 0) + 2
        for fact in facts {
            let mark = fact.isGood.map { $0 ? "ok" : "NO" } ?? "--"
            text += "  \(mark)  \(fact.name.padded(to: width))\(Sanitizer.visible(fact.value))\n"
        }
        text += "\n"
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
        line.object("programs") { line in
            for program in programs {
                line.object(named: program.name) { $0.field("verified_instructions", program.instructions) }
            }
        }
        line.field("advice", string: advice)
        return line.closed()
    }
}
