// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput
import TailraceService

/// Answers what clients ask for, on the tracing thread, from what it has at hand. What is cheap is answered at once; what is
/// not, is made so many times a second at most, for all clients together.
struct RequestDesk {
    private var newest: Snapshot?
    private var page: MetricsPage?
    private var made = 0
    private var second: Nanoseconds = 0
    /// A snapshot of the usual is as good for so long, ns.
    private static let freshness: Nanoseconds = 250_000_000
    /// Snapshots of something special a second.
    private static let most = 20
    private static let json = "application/json"
    static let recordingType = "application/vnd.tailrace.recording"

    mutating func answer(_ request: ServiceRequest, _ daemon: Daemon, at now: Nanoseconds) {
        guard isUnderstood(request) else { return }
        switch request.path {
        case "/", "/v1": request.answer(status: 200, type: Self.json, Endpoint.list(version: Tailrace.version))
        case "/v1/health": answerHealth(request, daemon, at: now)
        case "/metrics": answerMetrics(request, daemon, at: now)
        case "/v1/stream": stream(request, daemon)
        case "/v1/recording":
            guard let target = Target(query: request.query) else {
                return request.refuse(
                    status: 400, "port and pid take numbers, comm and cgroup names, separated by commas")
            }
            if let sentence = daemon.record(request, target) { request.refuse(status: 503, sentence) }
        case "/v1/top": answerTop(request, daemon, at: now)
        case "/tailrace-1.schema.json": request.answer(status: 200, type: Self.json, OpenAPI.schema)
        case "/openapi.json": request.answer(status: 200, type: Self.json, OpenAPI.document)
        default: answerList(request, daemon, at: now)
        }
    }

    private func answerHealth(_ request: ServiceRequest, _ daemon: Daemon, at now: Nanoseconds) {
        let account = daemon.account
        request.answer(
            status: 200, type: Self.json,
            ServiceJSON.health(
                account, daemon.facts, daemon.description, reasons: daemon.reasons(account, at: now), at: now))
    }

    /// False: that was refused.
    private func isUnderstood(_ request: ServiceRequest) -> Bool {
        let parameters: [String]
        if Endpoint.roots.contains(request.path) {
            parameters = []
        } else if let endpoint = Endpoint.at(request.path) {
            parameters = endpoint.parameters
        } else {
            request.refuse(status: 404, "there is nothing at this path; / lists what there is")
            return false
        }
        guard let unknown = request.query.keys.sorted().first(where: { !parameters.contains($0) }) else { return true }
        let known = parameters.isEmpty ? "none" : parameters.joined(separator: ", ")
        request.refuse(
            status: 400, "there is no parameter \(Sanitizer.visible(unknown, longest: 40)) here; there is \(known)")
        return false
    }

    private mutating func answerList(_ request: ServiceRequest, _ daemon: Daemon, at now: Nanoseconds) {
        guard let wish = wish(request), let snapshot = snapshot(wish, request, daemon, at: now) else { return }
        let most = min(SnapshotBuilder.mostRows, request.query["limit"].flatMap { Int($0) } ?? SnapshotBuilder.mostRows)
        let samples = request.path == "/v1/samples" ? Array(daemon.samples.values) : []
        let description = daemon.description
        // Who asks often costs another thread's time, not that in which events are followed.
        Thread.start {
            if let reply = Self.list(request.path, snapshot, most: most, samples, description) {
                return request.answer(status: 200, type: Self.json, reply)
            }
            request.refuse(
                status: 404, "no response of this id is open, or among the slowest that ended in the last minutes")
        }
    }

    private static func list(
        _ path: String, _ snapshot: Snapshot, most: Int, _ samples: [ServerSample], _ description: RunDescription
    ) -> [UInt8]? {
        switch path {
        case "/v1/servers": ServiceJSON.servers(snapshot)
        case "/v1/responses": ServiceJSON.responses(snapshot.limited(to: most))
        case "/v1/connections": ServiceJSON.connections(snapshot.limited(to: most))
        case "/v1/findings": ServiceJSON.findings(snapshot)
        case "/v1/pressure": ServiceJSON.pressure(snapshot)
        case "/v1/samples":
            ServiceJSON.samples(samples.sorted { $0.server.pid < $1.server.pid }, snapshot, description)
        case "/v1/snapshot": SnapshotJSON.whole(snapshot.limited(to: most))
        default: ServiceJSON.detail(snapshot, description)
        }
    }

    /// What of the snapshot is wanted; nil: that was refused.
    private func wish(_ request: ServiceRequest) -> SnapshotRequest? {
        var wish = SnapshotRequest()
        if let id = request.path.after("/v1/responses/") {
            guard let key = ResponseKey(id: id) else {
                request.refuse(status: 400, "a response's id is COOKIE-NUMBER, such as 1a2b-1, as /v1/responses has it")
                return nil
            }
            wish.detail = key
        }
        if let sort = request.query["sort"] {
            guard let order = RowOrder(rawValue: sort) else {
                request.refuse(status: 400, "sort takes \(RowOrder.allCases.map(\.rawValue).joined(separator: ", "))")
                return nil
            }
            wish.order = order
        }
        if let limit = request.query["limit"], !(1...SnapshotBuilder.mostRows).contains(Int(limit) ?? 0) {
            request.refuse(status: 400, "limit takes a number from 1 to \(SnapshotBuilder.mostRows)")
            return nil
        }
        wish.filter = request.query["filter"]?.lowercased() ?? ""
        return wish
    }

    /// nil: there were too many; that was refused.
    private mutating func snapshot(
        _ wish: SnapshotRequest, _ request: ServiceRequest, _ daemon: Daemon, at now: Nanoseconds
    ) -> Snapshot? {
        let isUsual = wish == SnapshotRequest()
        if isUsual, let newest, now - newest.at < Self.freshness { return newest }
        if now - second >= 1_000_000_000 { (second, made) = (now, 0) }
        guard made < Self.most else {
            request.refuse(
                status: 503, "too many questions of this kind a second, from all clients together; ask later")
            return nil
        }
        made += 1
        let snapshot = daemon.snapshot(wish, at: now)
        if isUsual { newest = snapshot }
        return snapshot
    }

    /// For `tailrace top` of the same version: the values themselves. They are written by a thread of their own.
    private mutating func answerTop(_ request: ServiceRequest, _ daemon: Daemon, at now: Nanoseconds) {
        guard let text = request.query["request"], let wish = SnapshotLine.request(text) else {
            return request.refuse(
                status: 400, "this is for `tailrace top` of version \(Tailrace.version); others ask /v1/snapshot")
        }
        guard let snapshot = snapshot(wish, request, daemon, at: now) else { return }
        Thread.start { request.answer(status: 200, type: Self.json, SnapshotLine.bytes(snapshot)) }
    }

    private mutating func answerMetrics(_ request: ServiceRequest, _ daemon: Daemon, at now: Nanoseconds) {
        let page = freshPage(daemon, at: now)
        let format = OpenMetrics(accept: request.accept)
        Thread.start { request.answer(status: 200, type: format.contentType, page.bytes(in: format)) }
    }

    /// What nobody may be shown any more can be large. Once a second.
    mutating func forget(at now: Nanoseconds) {
        if let page, !page.isFresh(at: now) { self.page = nil }
    }

    private mutating func freshPage(_ daemon: Daemon, at now: Nanoseconds) -> MetricsPage {
        if let page, page.isFresh(at: now) { return page }
        let begin = daemon.run.now
        let metrics = daemon.metricSet(at: now)
        let end = daemon.run.now
        let page = MetricsPage(metrics, took: end - begin, at: end)
        self.page = page
        return page
    }

    private func stream(_ request: ServiceRequest, _ daemon: Daemon) {
        guard daemon.feeds.count < LiveFeeds.most else {
            return request.refuse(status: 503, "\(LiveFeeds.most) clients listen already; end one of them")
        }
        var kinds: Set<LiveFeeds.Kind> = [.response, .sample, .finding, .loss, .detail]
        if let wanted = request.query["types"] {
            let names = wanted.split(separator: ",").map(String.init)
            kinds = Set(names.compactMap { LiveFeeds.Kind(rawValue: $0) })
            guard kinds.count == Set(names).count, !kinds.isEmpty else {
                let known = LiveFeeds.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                return request.refuse(status: 400, "types takes a list of \(known)")
            }
        }
        let isLines = request.accept.contains("application/x-ndjson")
        let feed = request.stream(type: isLines ? "application/x-ndjson" : "text/event-stream")
        daemon.listen(feed, kinds: kinds, isLines: isLines)
    }
}

extension Snapshot {
    /// With so many rows of each list; only ended responses that match the filter.
    fileprivate func limited(to most: Int) -> Snapshot {
        var snapshot = self
        snapshot.open = Array(open.prefix(most))
        snapshot.ended = Array(ended.lazy.filter { $0.matches(request.filter) }.prefix(most))
        snapshot.connections = Array(connections.prefix(most))
        return snapshot
    }
}

extension String {
    /// What follows `prefix`; nil: it does not begin so.
    fileprivate func after(_ prefix: String) -> String? {
        hasPrefix(prefix) && utf8.count > prefix.utf8.count ? String(dropFirst(prefix.count)) : nil
    }
}
