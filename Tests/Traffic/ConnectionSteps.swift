// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel

// What client, server and TCP do in one step.
extension TracedConnection {
    // The client.

    /// As far as the client has reason to send.
    var mayArrive: Int {
        let last = script.transactions.count
        guard !script.isPipelined else { return requests[last] }
        let answered = answers.lastIndex { $0 <= delivered } ?? 0
        guard answered < last else { return requests[last] }
        let transaction = script.transactions[answered]
        // A body that is announced waits for the interim answer.
        if let first = transaction.sends.first, first.needs == transaction.headBytes, transaction.sends.count > 1,
            delivered < answers[answered] + first.bytes.count
        {
            return requests[answered] + transaction.headBytes
        }
        return requests[answered + 1]
    }

    mutating func sendRequest() {
        let most = mayArrive
        let isWhole = chance(2, in: 3)
        arrived = isWhole ? most : Int.random(in: arrived + 1...most, using: &random)
        mustAcknowledge = max(mustAcknowledge, script.isPipelined ? acknowledged : delivered)
        // What comes with the handshake is in the queue before anybody looks.
        if read == 0, arrived == most, !isAccepted, chance(1, in: 4) { return }
        arrive(ack: Int.random(in: max(acknowledged, mustAcknowledge)...delivered, using: &random), hasPayload: true)
    }

    mutating func arrive(ack: Int, hasPayload: Bool) {
        acknowledged = max(acknowledged, ack)
        kernel.arrive(ack: sequence(ack), hasPayload: hasPayload, isAccepted: isAccepted, at: now)
    }

    // The server.

    /// The transaction whose request the server reads from next.
    private var readTurn: Int { (requests.firstIndex { $0 > read } ?? requests.count) - 1 }

    var wantsRead: Bool {
        guard turn < script.transactions.count else { return false }
        let next = script.transactions[turn].sends[send]
        if read < requests[turn] + next.needs { return true }
        return readsAhead && kernel.reads < 6
    }

    /// A read ends within a request, at its end, or at that of one of several whole ones.
    mutating func readRequest() {
        let start = read
        let index = readTurn
        var end = min(arrived, requests[index + 1])
        let isInHead = start < requests[index] + script.transactions[index].headBytes
        if start == requests[index], script.transactions[index].protocolName == .http11, chance(1, in: 2) {
            var last = index + 1
            while last < script.transactions.count, script.transactions[last - 1].hasNoBody,
                script.transactions[last].hasNoBody, requests[last + 1] <= min(arrived, start + 512)
            { last += 1 }
            if script.transactions[index].hasNoBody, requests[last] <= arrived { end = requests[last] }
        }
        // The kernel side tells eight reads between two sends: heads are within them.
        if chance(1, in: 4), end <= requests[index + 1], !(isInHead && kernel.reads >= 5) {
            end = Int.random(in: start + 1...end, using: &random)
        }
        // What is told of a read tells where the next request in it begins.
        if end - start <= 512 || start == requests[index], chance(1, in: 3) {
            end = Int.random(
                in: start + 1...min(arrived, start + (start == requests[index] ? 2000 : 512)), using: &random)
        }
        // An upload comes in more pieces than are told.
        if requests[index + 1] - start > 4000 { end = min(arrived, start + 1200) }
        if isWild { end = Int.random(in: start + 1...arrived, using: &random) }
        let isReadable = !isWild || chance(9, in: 10)
        let told = kernel.records.count
        kernel.read(requestBytes(start..<end), isReadable: isReadable, isAll: end == arrived, at: now)
        let isTold =
            kernel.records.last.map { if case .read = $0 { kernel.records.count > told } else { false } } ?? false
        reads.append(Read(bytes: start..<end, record: isTold ? kernel.records.count - 1 : nil))
        read = end
    }

    private func requestBytes(_ range: Range<Int>) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, transaction) in script.transactions.enumerated() {
            let part = range.clamped(to: requests[index]..<requests[index + 1])
            if !part.isEmpty {
                bytes += transaction.request[part.lowerBound - requests[index]..<part.upperBound - requests[index]]
            }
        }
        return bytes
    }

    var canSend: Bool {
        guard turn < script.transactions.count else { return false }
        return read >= requests[turn] + script.transactions[turn].sends[send].needs
    }

    mutating func beginCall() {
        let next = script.transactions[turn].sends[send]
        kernel.beginCall(Array(next.bytes[offset...]), isReadable: next.isReadable, at: now)
    }

    /// A turn of the copy loop, the wait for room, or the return.
    mutating func proceed() {
        let rest = script.transactions[turn].sends[send].bytes.count - offset - Int(kernel.taken)
        if rest == 0 { return endCall() }
        if kernel.isFull {
            if !isBlocking { endCall() }
            return
        }
        let room = max(1, Int(kernel.sndbuf) - Int(kernel.queuedBytes))
        let bytes = min(rest, chance(1, in: 2) ? room : 1448)
        kernel.copy(UInt32(bytes), at: now)
        written += bytes
        if rest == bytes, chance(1, in: 2) { endCall() }
    }

    private mutating func endCall() {
        offset += Int(kernel.taken)
        pass()
        kernel.endCall(at: now)
        guard offset == script.transactions[turn].sends[send].bytes.count else { return }
        offset = 0
        send += 1
        guard send == script.transactions[turn].sends.count else { return }
        send = 0
        turn += 1
    }

    // TCP.

    mutating func transmit(upTo end: Int) {
        sent = end
        let handedOver = now - Nanoseconds.random(in: 0...min(now - 1, 5000), using: &random)
        kernel.transmit(to: sequence(end), handedOver: handedOver, at: now)
    }
}

extension Transaction {
    var hasNoBody: Bool { headBytes == request.count }
}
