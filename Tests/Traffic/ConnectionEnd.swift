// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel

// How a connection ends.
extension TracedConnection {
    mutating func close() {
        pass()
        switch closing {
        case .staysOpen: return
        case .clientResets: end(error: 104)
        case .timesOut: end(error: 110)
        case .serverResets: end(error: 0)
        case .serverCloses: closeByServer()
        case .clientCloses: closeByClient()
        }
    }

    private mutating func end(error: Int32) {
        pass()
        kernel.change(to: .closed, error: error, at: now)
    }

    /// The bytes that are still queued take their way, where nobody sees the ACKs.
    private mutating func settle() {
        while acknowledged < written {
            pass()
            if sent < written { transmit(upTo: Int.random(in: sent + 1...written, using: &random)) }
            pass()
            delivered = sent
            arrive(ack: Int.random(in: acknowledged...delivered, using: &random), hasPayload: false)
        }
    }

    /// A call in progress comes to its end: a process does not close what it writes to.
    private mutating func finishCall() {
        while kernel.isCalling {
            pass()
            proceed()
            if sent < written { transmit(upTo: written) }
            pass()
            delivered = sent
            arrive(ack: delivered, hasPayload: false)
        }
    }

    private mutating func closeByServer() {
        finishCall()
        pass()
        kernel.change(to: .finWait1, at: now)
        // The client may be gone by then.
        if chance(1, in: 5) { return end(error: 104) }
        settle()
        pass()
        if chance(1, in: 4) {
            kernel.change(to: .closing, at: now)
        } else {
            kernel.change(to: .finWait2, at: now)
        }
        end(error: 0)
    }

    private mutating func closeByClient() {
        pass()
        kernel.change(to: .closeWait, at: now)
        // The server may not notice, and go on with what it has.
        var stepsLeft = Int.random(in: 0...40, using: &random)
        while stepsLeft > 0 {
            let steps = enabledSteps().filter { $0 != .request }
            guard !steps.isEmpty else { break }
            pass()
            take(steps[Int.random(in: 0..<steps.count, using: &random)])
            stepsLeft -= 1
        }
        if chance(1, in: 3) { return end(error: 32) }
        finishCall()
        settle()
        pass()
        kernel.change(to: .lastAck, at: now)
        end(error: 0)
    }
}
