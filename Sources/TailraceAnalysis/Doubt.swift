// SPDX-License-Identifier: MIT
import TailraceModel

/// What a connection's lost records leave behind: nobody knows what they told, so all that its responses say is in doubt
/// until its client surely begins anew.
struct Doubt {
    /// Records were lost, and the client has not begun anew.
    private(set) var isThere = false
    /// The client asks before it has its answers: then a request tells nothing of those before it.
    private var isPipelined = false

    /// Records were lost.
    mutating func arise() { isThere = true }

    /// A request came while another one had no answer yet.
    mutating func sawPipelining() { isPipelined = true }

    /// Whether `read` ends the doubt: a client that waits for its answers asks again, the server has sent since it last read,
    /// and the peer has all of that.
    mutating func ends(with read: RequestRead) -> Bool {
        guard isThere, !isPipelined, read.isFirst, read.outstanding == 0,
            case .http = HTTPHead.request(read.head, isWhole: true)
        else { return false }
        isThere = false
        return true
    }

    /// Whether `flush` surely belongs to a later response than the one in the making, of which `flushes` are known and that
    /// was followed up to `sequence`: its own request's read was lost.
    func divides(_ flush: FlushMarks, flushes: Int64, sequence: UInt32?) -> Bool {
        guard isThere, !isPipelined, flush.isAfterRead else { return false }
        return flushes > 0 || sequence.map { $0 != flush.sequenceStart } ?? false
    }
}
