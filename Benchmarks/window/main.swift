// SPDX-License-Identifier: MIT
// One loaded copy of tailrace for each measured variant, attached and detached on command. For `make bench` only.
//
//     tailrace-window serve full:8080 twin:8080=empty.bpf.o untraced:9
//     tailrace-window ingest 3
import Glibc

let arguments = CommandLine.arguments.dropFirst()
do {
    switch arguments.first {
    case "serve":
        var loop = CommandLoop(variants: try arguments.dropFirst().map(Variant.init))
        try loop.run()
    case "ingest":
        let numbers = arguments.dropFirst().compactMap { Double($0) }
        say(measureIngest(seconds: numbers.first ?? 2, flushes: max(1, Int(numbers.dropFirst().first ?? 1))))
    default:
        throw UsageError(
            description: "usage: tailrace-window serve NAME:PORT[:count][=OBJECT]... | ingest [SECONDS [FLUSHES]]")
    }
} catch {
    say("tailrace-window: \(error)", to: STDERR_FILENO)
    exit(1)
}

struct UsageError: Error, CustomStringConvertible {
    let description: String
}

/// One line, whole and at once: whoever asked waits for it.
func say(_ line: String, to descriptor: Int32 = STDOUT_FILENO) {
    let bytes = Array((line + "\n").utf8)
    _ = write(descriptor, bytes, bytes.count)
}
