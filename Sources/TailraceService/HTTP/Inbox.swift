// SPDX-License-Identifier: MIT
import NIOConcurrencyHelpers

/// Requests on their way to the thread that has the data, which never waits for any.
public final class Inbox: Sendable {
    private let most: Int
    private let requests = NIOLockedValueBox<[ServiceRequest]>([])

    /// `most`: requests that wait at once; those beyond are refused with 503.
    public init(most: Int = 64) { self.most = most }

    /// Those that came since it was last asked, in their order. Who takes one answers it; one that is let go of answers 503.
    public func take() -> [ServiceRequest] {
        requests.withLockedValue { requests in
            if requests.isEmpty { return [] }
            defer { requests = [] }
            return requests
        }
    }

    /// false: there are too many.
    func put(_ request: ServiceRequest) -> Bool {
        requests.withLockedValue { requests in
            guard requests.count < most else { return false }
            requests.append(request)
            return true
        }
    }
}
