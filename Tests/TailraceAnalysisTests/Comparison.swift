// SPDX-License-Identifier: MIT
import TailraceModel
import Traffic

@testable import TailraceAnalysis

/// What was told of a traced against what happened.
struct Comparison {
    let traced: TracedConnection
    let truths: [Truth]

    init(_ traced: TracedConnection, truths: [Truth]? = nil) {
        self.traced = traced
        self.truths = truths ?? traced.truths()
    }

    /// nil: none.
    func difference(_ replay: Replay) -> String? {
        let told = replay.ended(on: traced.kernel.cookie)
        let expected = truths.filter { $0.endedBy != nil }
        for (response, truth) in zip(told, expected) {
            if let wrong = response.contradiction ?? difference(response, truth) {
                return explain("response \(truth.index): \(wrong)")
            }
        }
        if told.count != expected.count { return explain("\(told.count) responses, \(expected.count) happened") }
        // Those behind it have not begun.
        let open = min(1, truths.count - expected.count)
        if replay.correlator.openResponses != open {
            return explain("\(replay.correlator.openResponses) responses open, should be \(open)")
        }
        return nil
    }

    func explain(_ text: String) -> String {
        let records = traced.kernel.records.enumerated().map { "  \($0) \($1.summary)" }
        let sends = traced.script.transactions.map { "\($0.sends.map(\.bytes.count)) \($0.end)" }
        return text + "\n" + records.joined(separator: "\n") + "\n  sends \(sends.joined(separator: "; "))"
    }

    private func difference(_ response: Response, _ truth: Truth) -> String? {
        for (name, told, expected) in values(response, truth) where told != expected {
            return "\(name) is \(told), should be \(expected)"
        }
        return nil
    }

    private func values(_ response: Response, _ truth: Truth) -> [(String, String, String)] {
        let transaction = truth.transaction
        let isHTTP = transaction.end != .turn
        let hasHead = isHTTP && truth.responseBytes >= Int64(transaction.bodyStart ?? 0)
        var values: [(String, String, String)] = [
            ("ended by", "\(response.endedBy ?? .unknown)", "\(truth.endedBy ?? .unknown)"),
            ("number", "\(response.number)", "\(truth.index + 1)"),
            ("begin", "\(response.begin)", "\(truth.begin)"),
            ("end", "\(response.end)", "\(truth.end ?? 0)"),
            ("bytes", "\(response.responseBytes)", "\(truth.responseBytes)"),
            ("request bytes", "\(response.requestBytes)", "\(truth.requestBytes)"),
            ("estimated", "\(response.isEstimated)", "\(truth.isEstimated)"),
        ]
        if isHTTP, truth.requestBytes >= Int64(transaction.headBytes) {
            values.append(("target", response.target ?? "-", transaction.target ?? "-"))
            values.append(("method", response.method ?? "-", transaction.method ?? "-"))
        }
        if hasHead {
            values.append(("status", "\(response.status ?? 0)", "\(transaction.status ?? 0)"))
            values.append(("type", response.contentType ?? "-", transaction.contentType ?? "-"))
            values.append(("streaming", "\(response.isStreaming)", "\(transaction.isStreaming)"))
        }
        if let flushes = truth.flushes {
            values.append(("flushes", "\(response.flushes)", "\(flushes)"))
            values.append(("ttff", "\(response.timeToFirstFlush ?? -1)", "\(truth.timeToFirstFlush ?? -1)"))
        }
        return values
    }
}
