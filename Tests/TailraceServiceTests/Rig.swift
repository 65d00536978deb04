// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers

@testable import TailraceService

/// A service with a thread that answers it, as the tracing thread does: at intervals, and never waiting.
final class Rig: Sendable {
    let path: String
    let port: Int
    let service: Service
    private let isOver = NIOLockedValueBox(false)
    private let taken = NIOLockedValueBox<[ServiceRequest]>([])

    /// `answer` is called on the answering thread; what it keeps is not answered.
    init(
        _ limits: ServiceLimits = ServiceLimits(), inbox: Inbox = Inbox(),
        answer: @escaping @Sendable (ServiceRequest) -> Void = Rig.echo
    ) throws {
        path = "/tmp/tailrace-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        service = Service(inbox: inbox, limits: limits)
        try service.listen(socket: path, group: nil)
        port = try service.listen(address: "127.0.0.1", port: 0)
        try service.serve()
        let isOver = isOver
        TestThread.start {
            while !isOver.withLockedValue({ $0 }) {
                for request in inbox.take() { answer(request) }
                usleep(1000)
            }
        }
    }

    deinit {
        isOver.withLockedValue { $0 = true }
        service.stop()
    }

    /// What was asked for, as text.
    @Sendable static func echo(_ request: ServiceRequest) {
        let query = request.query.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        request.answer(status: 200, type: "text/plain", Array("<\(request.path)\(query)>".utf8))
    }

    func client() -> Client { Client(path: path) }

    /// Until the account says so, or it never does.
    func account(where isTrue: (ServiceAccount) -> Bool) -> ServiceAccount {
        for _ in 0..<1000 where !isTrue(service.account) { usleep(5000) }
        return service.account
    }
}

enum TestThread {
    private final class Work {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func start(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(Work(run)).toOpaque())
        pthread_detach(thread)
    }
}
