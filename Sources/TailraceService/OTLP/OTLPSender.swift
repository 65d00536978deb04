// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import TailraceModel

/// Sends metrics and spans to a collector, as JSON over HTTP/1.1: one body at a time, again where that can help, and never at the
/// cost of who hands them over. Its one thread is started by `start`.
public final class OTLPSender: Sendable {
    /// Where in the collector.
    public enum Path: String, Sendable, CaseIterable {
        /// ExportMetricsServiceRequest
        case metrics = "/v1/metrics"
        /// ExportTraceServiceRequest
        case traces = "/v1/traces"
    }

    private let endpoint: OTLPEndpoint
    private let headers: HTTPHeaders
    private let timeout: Nanoseconds
    private let queue: NIOLockedValueBox<OTLPQueue>
    private let group = NIOLockedValueBox<MultiThreadedEventLoopGroup?>(nil)
    private let timer = NIOLockedValueBox<Scheduled<Void>?>(nil)

    /// `headers`: sent with every body, for the collector's own checks. `queueBytes`: of bodies that wait. `timeout`: of one attempt.
    public init(
        endpoint: OTLPEndpoint, headers: [(name: String, value: String)] = [], queueBytes: Int = 4 << 20,
        timeout: Nanoseconds = 10_000_000_000
    ) throws(ServiceError) {
        var fields: HTTPHeaders = [
            "Host": endpoint.authority, "Content-Type": "application/json", "User-Agent": "tailrace",
            "Connection": "close",
        ]
        for (name, value) in headers {
            guard Self.isToken(name), Self.isPlain(value), !fields.contains(name: name),
                !["content-length", "transfer-encoding"].contains(name.lowercased())
            else {
                throw ServiceError(
                    "\(name.prefix(40)) cannot be a header for OTLP: a name has letters, digits and hyphens, a value is plain "
                        + "text, and those that HTTP itself needs are fixed")
            }
            fields.add(name: name, value: value)
        }
        (self.endpoint, self.headers, self.timeout) = (endpoint, fields, timeout)
        queue = NIOLockedValueBox(OTLPQueue(mostBytes: queueBytes))
    }

    // It may be its own thread that lets go of it last, and that cannot wait for itself.
    deinit { group.withLockedValue { $0 }?.shutdownGracefully { _ in } }

    /// Starts to send; before, bodies only wait.
    public func start() {
        let started = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let isFirst = group.withLockedValue { group in
            defer { group = group ?? started }
            return group == nil
        }
        if isFirst { started.next().execute { self.pump() } } else { started.shutdownGracefully { _ in } }
    }

    /// Takes a body, and never waits. false: it is larger than the queue.
    @discardableResult
    public func send(_ path: Path, _ body: [UInt8]) -> Bool {
        let isTaken = queue.withLockedValue { $0.add(path, body, at: Clock.now) }
        group.withLockedValue { $0 }?.next().execute { [weak self] in self?.pump() }
        return isTaken
    }

    /// Until now.
    public var account: OTLPAccount { queue.withLockedValue { $0.account } }

    /// Ends: what is queued may still be sent in that time, for which the caller waits.
    public func stop(within time: Nanoseconds = 0) {
        let end = Clock.now + time
        while Clock.now < end, account.queued > 0, account.failure == nil { usleep(5000) }
        let ended = group.withLockedValue { group in
            defer { group = nil }
            return group
        }
        try? ended?.syncShutdownGracefully()
        queue.withLockedValue { $0.stop() }
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
                    || $0 == 0x5f
            }
    }

    private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { (0x20...0x7e).contains($0) } }
}

// On its thread.
extension OTLPSender {
    private func pump() {
        guard let loop = group.withLockedValue({ $0 })?.next() else { return }
        timer.withLockedValue { $0 }?.cancel()
        switch queue.withLockedValue({ $0.next(at: Clock.now) }) {
        case .rest: break
        case .wait(let until):
            let scheduled = loop.scheduleTask(deadline: Clock.deadline(until)) { [weak self] in
                guard let self else { return }
                self.pump()
            }
            timer.withLockedValue { $0 = scheduled }
        case .send(let item):
            post(item, on: loop).whenComplete { [weak self] result in
                guard let self else { return }
                let outcome: OTLPQueue.Outcome =
                    switch result {
                    case .success(let outcome): outcome
                    case .failure(let error): .later(after: nil, why: Self.sentence(error))
                    }
                self.queue.withLockedValue { $0.ended(outcome, at: Clock.now, chance: .random(in: 0..<1)) }
                self.pump()
            }
        }
    }

    private func post(_ item: OTLPQueue.Item, on loop: any EventLoop) -> EventLoopFuture<OTLPQueue.Outcome> {
        var head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: endpoint.prefix + item.path.rawValue, headers: headers)
        head.headers.add(name: "Content-Length", value: String(item.body.count))
        let attempt = OTLPAttempt(loop: loop, head: head, body: item.body)
        let timeout = loop.scheduleTask(in: .nanoseconds(timeout)) { attempt.fail(OTLPAttempt.Failure.timedOut) }
        ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(self.timeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try attempt.begin(on: channel) }
            }
            .connect(host: endpoint.host, port: endpoint.port)
            .whenFailure { _ in attempt.fail(OTLPAttempt.Failure.unreachable) }
        attempt.outcome.whenComplete { _ in timeout.cancel() }
        return attempt.outcome
    }

    private static func sentence(_ error: any Error) -> String {
        switch error {
        case OTLPAttempt.Failure.timedOut: "the collector did not answer in time"
        case OTLPAttempt.Failure.unreachable: "the collector is not reachable"
        default: "the collector ended the connection without an answer"
        }
    }
}
