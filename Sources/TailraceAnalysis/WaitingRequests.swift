// SPDX-License-Identifier: MIT
import TailraceModel

/// Requests that were read before the response in the making had ended (pipelining), the oldest first.
struct WaitingRequests {
    private var requests: [WaitingRequest] = []
    /// More are counted into the last.
    private static let limit = 64

    var isEmpty: Bool { requests.isEmpty }

    /// Another one.
    mutating func add(_ read: RequestRead) {
        if requests.count < Self.limit { requests.append(WaitingRequest(read)) } else { append(read) }
    }

    /// More of the newest. One at least waits.
    mutating func append(_ read: RequestRead) { requests[requests.count - 1].append(read) }

    /// All of them were one. One at least waits.
    mutating func merge() {
        for more in requests.dropFirst() { more.withRead { requests[0].append($0) } }
        requests.removeLast(requests.count - 1)
    }

    /// Its turn has come. One at least waits.
    mutating func removeFirst() -> WaitingRequest { requests.removeFirst() }
}
