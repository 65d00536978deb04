// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceModel

/// From when on something is a finding; the same for every command that tells findings.
struct ThresholdOptions: ParsableArguments {
    @Option(
        name: .customLong("threshold"),
        help: ArgumentHelp(
            "Set a limit of an anomaly: slow-consumer.age=2s. `tailrace explain ANOMALY` lists them. Repeatable.",
            valueName: "anomaly.name=value"))
    var thresholds: [String] = []

    @Option(
        name: .customLong("thresholds"),
        help: ArgumentHelp("Read such limits from a file, one a line; --threshold overrides them.", valueName: "file"))
    var thresholdFile: String?

    /// None is given.
    var isEmpty: Bool { thresholds.isEmpty && thresholdFile == nil }

    func validate() throws { _ = try limits() }

    /// The limits of this run.
    func limits() throws -> Thresholds {
        var limits = Thresholds()
        do {
            if let thresholdFile { try limits.set(lines: Self.contents(of: thresholdFile)) }
        } catch let error as ThresholdError {
            throw ValidationError("\(thresholdFile ?? ""), \(error.description).")
        }
        for text in thresholds {
            do { try limits.set(text) } catch {
                throw ValidationError("--threshold \(text.debugDescription): \(error.description).")
            }
        }
        return limits
    }

    private static func contents(of path: String) throws -> String {
        guard let file = fopen(path, "re") else {
            throw ValidationError(
                "cannot read the thresholds in \(path): \(String(cString: strerror(errno))); give a file that may be read."
            )
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
