// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel

/// A loaded set of kernel programs with the daemon's own route behind it: ring, decoder, correlator.
final class Variant {
    let name: String
    /// How long the kernel took to open, relocate and verify the programs, ns.
    let loadTime: Int64
    private let source: KernelSource
    private var correlator = Correlator()
    private(set) var isAttached = false
    /// Responses that ended, as the correlator tells them.
    private var responses: UInt64 = 0
    private var flushes: Int64 = 0

    /// False: records are taken out of the ring and decoded, and go no further. What is left is the kernel side's cost.
    private let isCorrelated: Bool

    /// `NAME:PORT[:count][=OBJECT]`: the port is what is traced; without an object it is the embedded one.
    init(_ specification: String) throws {
        let parts = specification.split(separator: "=", maxSplits: 1)
        let words = parts.first?.split(separator: ":") ?? []
        guard words.count >= 2, let port = UInt16(words[1]) else {
            throw UsageError(description: "`\(specification)` is not NAME:PORT[:count][=OBJECT]")
        }
        isCorrelated = words.last != "count"
        name = String(words[0])
        var target = Target()
        target.ports = [port]
        let object = try parts.count == 2 ? objectFile(at: String(parts[1])) : nil
        let facts = KernelFacts.probe()
        let begin = readClock(CLOCK_MONOTONIC)
        source = try KernelSource(target: target, facts: facts, objectFile: object)
        loadTime = readClock(CLOCK_MONOTONIC) - begin
    }

    /// How long attaching took, ns.
    func attach() throws -> Int64 {
        let begin = readClock(CLOCK_MONOTONIC)
        try source.attach()
        isAttached = true
        return readClock(CLOCK_MONOTONIC) - begin
    }

    /// How long detaching took, ns.
    func detach() -> Int64 {
        let begin = readClock(CLOCK_MONOTONIC)
        source.detach()
        isAttached = false
        return readClock(CLOCK_MONOTONIC) - begin
    }

    /// Takes everything out of the ring, as the daemon does every 10 ms.
    func drain() {
        _ = source.drain { [self] event in
            guard isCorrelated else { return }
            correlator.take(event) { actions in
                responses += UInt64(actions.ended.count)
                for index in actions.ended.indices { flushes += actions.ended[index].flushes }
            }
        }
    }

    /// What it saw, made, lost and ran so far, as members of a JSON object.
    func statistics() -> String {
        let loss = source.loss()
        let programs = source.programs().map { "\"\($0.name)\":[\($0.runs),\($0.runNanoseconds)]" }
        return "\"responses\":\(responses),\"flushes\":\(flushes),\"open\":\(correlator.openResponses),"
            + "\"made\":\(loss.made),\"delivered\":\(loss.delivered),\"lost\":\(loss.lostTotal),\"missed\":\(loss.missed),"
            + "\"heads_unread\":\(loss.headsUnread),\"merged\":\(loss.merged),\"load_ns\":\(loadTime),"
            + "\"programs\":{\(programs.joined(separator: ","))}"
    }
}

/// The bytes of a compiled probe object.
private func objectFile(at path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        throw UsageError(description: "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while case let count = read(descriptor, &piece, piece.count), count > 0 {
        bytes.append(contentsOf: piece[..<count])
    }
    return bytes
}
