// SPDX-License-Identifier: MIT
import TailraceModel

/// One JSON document: an array of the very objects that NDJSON has as lines, `meta` first and `end` last.
public struct JSONDocument: ResponseFormat {
    private let lines: NDJSON

    /// A document of one run.
    public init(run: RunDescription) { lines = NDJSON(run: run) }

    /// `[` and the first object.
    public func begin() -> [UInt8] { [0x5b, 0x0a] + withoutBreak(lines.begin()) }

    /// One response.
    public func response(_ response: borrowing Response, anchor: ClockAnchor) -> [UInt8] {
        next(lines.response(response, anchor: anchor))
    }

    /// One flush.
    public func flush(_ flush: Flush, anchor: ClockAnchor) -> [UInt8] { next(lines.flush(flush, anchor: anchor)) }

    /// The sockets of one server.
    public func sample(_ sample: ServerSample, anchor: ClockAnchor) -> [UInt8] {
        next(lines.sample(sample, anchor: anchor))
    }

    /// A finding that opened, changed or closed.
    public func finding(_ finding: Finding, anchor: ClockAnchor) -> [UInt8] {
        next(lines.finding(finding, anchor: anchor))
    }

    /// A loss that grew.
    public func loss(_ loss: Loss, at wall: Int64) -> [UInt8] { next(lines.loss(loss, at: wall)) }

    /// The last object and `]`.
    public func end(_ end: RunEnd) -> [UInt8] { next(lines.end(end)) + [0x0a, 0x5d, 0x0a] }

    /// In objects of its own.
    public var tellsLoss: Bool { true }

    private func next(_ line: [UInt8]) -> [UInt8] { [0x2c, 0x0a] + withoutBreak(line) }
    private func withoutBreak(_ line: [UInt8]) -> ArraySlice<UInt8> { line.dropLast() }
}
