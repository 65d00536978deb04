// SPDX-License-Identifier: MIT
import TailraceModel

/// A response as it was: what the script says, and where its bytes lie in what was told.
package struct Truth {
    /// On its connection, from 0.
    package let index: Int
    package let transaction: Transaction
    package let begin: Nanoseconds
    /// nil: it is open.
    package internal(set) var end: Nanoseconds?
    package internal(set) var endedBy: Ending?
    /// The record with which it begins, and that with which it ends.
    package internal(set) var beginRecord: Int
    package internal(set) var endRecord: Int?
    package internal(set) var requestBytes: Int64 = 0
    package internal(set) var responseBytes: Int64 = 0
    /// nil: not exactly known, calls of it shared a record with others.
    package internal(set) var flushes: Int64?
    /// Of its first send call with body, from its begin.
    package internal(set) var timeToFirstFlush: Nanoseconds?
    package internal(set) var isEstimated = false
}

extension TracedConnection {
    /// The flushes as they were told, with the bytes that they hold, counted from the first.
    package var flushes: [(record: Int, bytes: Range<Int>, marks: FlushMarks)] {
        var position = untracedBytes
        return kernel.records.enumerated().compactMap { index, record in
            guard case .flush(let marks) = record else { return nil }
            precondition(marks.sequenceStart == sequence(position), "flushes tile the sequence space")
            defer { position += Int(marks.bytes) }
            return (index, position..<position + Int(marks.bytes), marks)
        }
    }

    private func state(_ new: StateChange.State) -> (record: Int, change: StateChange)? {
        for (index, record) in kernel.records.enumerated() {
            if case .state(let change) = record, change.new == new { return (index, change) }
        }
        return nil
    }

    /// Every response that the kernel side could tell of.
    package func truths() -> [Truth] {
        let flushes = flushes
        var truths: [Truth] = []
        for index in script.transactions.indices {
            guard let first = reads.first(where: { $0.bytes.contains(requests[index]) }), let record = first.record,
                case .read(let read, _) = kernel.records[record]
            else { break }
            let handshake = index == 0 ? kernel.connection.established : read.at
            var truth = Truth(
                index: index, transaction: script.transactions[index],
                begin: read.readable != 0 ? read.readable : handshake, beginRecord: record)
            let own = flushes.filter { $0.bytes.overlaps(answers[index]..<answers[index + 1]) }
            truth.take(own.map(\.marks), bytes: min(written, answers[index + 1]) - min(written, answers[index]))
            truth.requestBytes += readBytes(of: index)
            truth.findFirstBody(in: own.map { ($0.bytes, $0.marks) }, from: answers[index])
            findEnd(of: &truth, own)
            if let before = truths.last?.endRecord { truth.beginRecord = max(truth.beginRecord, before) }
            truths.append(truth)
        }
        return truths
    }

    private func readBytes(of index: Int) -> Int64 {
        let own = requests[index]..<requests[index + 1]
        return reads.reduce(0) { $0 + ($1.record == nil ? 0 : Int64($1.bytes.clamped(to: own).count)) }
    }

    private func findEnd(
        of truth: inout Truth, _ own: [(record: Int, bytes: Range<Int>, marks: FlushMarks)]
    ) {
        let last = own.last { $0.bytes.contains(answers[truth.index + 1] - 1) }
        switch truth.transaction.end {
        case .length, .chunked:
            if let last, last.marks.acked != 0 {
                return truth.end(.complete, at: last.marks.acked, record: last.record)
            }
        case .turn:
            if let next = reads.first(where: { $0.bytes.contains(requests[truth.index + 1]) })?.record, let last {
                return truth.end(.complete, at: last.marks.acked, record: next)
            }
        case .close: break
        }
        // A head that was not sent whole says nothing of the end.
        let endsWithConnection =
            truth.transaction.end == .turn
            || (truth.transaction.end == .close && truth.responseBytes >= Int64(truth.transaction.bodyStart ?? 0))
        let acknowledged = own.last?.marks.acked ?? 0
        if endsWithConnection, acknowledged != 0, let fin = state(.finWait2) {
            return truth.end(.complete, at: acknowledged, record: fin.record)
        }
        guard let (record, change) = state(.closed) else { return }
        let isLast = !reads.contains { $0.bytes.upperBound > requests[truth.index + 1] }
        let isWhole = change.unackedBytes == 0 && change.error == 0 && acknowledged != 0 && isLast
        // Who acknowledges what is sent after its FIN is only done with sending.
        let fin = kernel.states.first { $0.new == .closeWait }
        let stillReads = fin.map { ($0.at) < own.last?.marks.enter ?? 0 } ?? true
        if isWhole, endsWithConnection, truth.transaction.end == .turn || stillReads {
            return truth.end(.complete, at: acknowledged, record: record)
        }
        truth.end(ending(change), at: change.at, record: record)
    }

    private func ending(_ change: StateChange) -> Ending {
        switch closing {
        case .timesOut: .timeout
        case .clientCloses: .clientFin
        case .clientResets: .clientReset
        case .serverResets: .serverReset
        case .serverCloses: change.error == 0 ? .serverClose : .clientReset
        case .staysOpen: .unknown
        }
    }
}

extension Truth {
    mutating func end(_ ending: Ending, at: Nanoseconds, record: Int) {
        endedBy = ending
        end = max(begin, at)
        endRecord = record
    }

    fileprivate mutating func take(_ flushes: [FlushMarks], bytes: Int) {
        responseBytes = Int64(bytes)
        isEstimated = flushes.contains { $0.isMerged || $0.isAckLate }
        if !isEstimated { self.flushes = flushes.reduce(0) { $0 + Int64($1.writes) } }
        requestBytes = flushes.reduce(0) { $0 + $1.untoldBytes }
    }

    fileprivate mutating func findFirstBody(in flushes: [(bytes: Range<Int>, marks: FlushMarks)], from start: Int) {
        guard let bodyStart = transaction.bodyStart else { return }
        let first = flushes.first { $0.bytes.upperBound > start + bodyStart }
        timeToFirstFlush = first.map { max(0, $0.marks.firstEnter - begin) }
    }
}
