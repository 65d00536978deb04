// SPDX-License-Identifier: MIT
import TailraceOutput

/// A path of the daemon's socket, and what can be asked there. schema/openapi.json says the same at length.
struct Endpoint {
    /// `{id}` stands for one segment.
    let path: String
    /// Names in the query.
    let parameters: [String]
    /// For people.
    let meaning: String

    private init(_ path: String, _ meaning: String, _ parameters: [String] = []) {
        (self.path, self.meaning, self.parameters) = (path, meaning, parameters)
    }

    /// In the order in which they are listed.
    static let all = [
        Endpoint("/v1/health", "whether it works, what it takes, and what it lost"),
        Endpoint("/v1/servers", "each server process: responses in flight, bytes that wait, tasks, pressure"),
        Endpoint(
            "/v1/responses", "open responses, and the slowest that ended in the last minutes",
            ["sort", "limit", "filter"]),
        Endpoint("/v1/responses/{id}", "all of one response, with its newest flushes"),
        Endpoint("/v1/connections", "connections, those that wait longest first", ["limit", "filter"]),
        Endpoint("/v1/findings", "open findings, the most severe first, then closed ones"),
        Endpoint("/v1/pressure", "pressure stall information for sends, by server and cause"),
        Endpoint("/v1/samples", "the newest sample of each server, as `tailrace trace` tells it"),
        Endpoint(
            "/v1/snapshot", "all of this at one moment, as the dashboard shows it", ["sort", "limit", "filter"]),
        Endpoint(
            "/v1/stream",
            "responses, samples, findings and losses as they happen (server-sent events, or lines of JSON)",
            ["types"]),
        Endpoint("/v1/recording", "a recording from now on, as `tailrace record` writes it", recordingParameters),
        Endpoint("/v1/top", "for `tailrace top` of the same version", ["request"]),
        Endpoint("/metrics", "metrics for Prometheus"),
        Endpoint("/openapi.json", "this in full (OpenAPI 3.1)"),
        Endpoint("/tailrace-1.schema.json", "what is in JSON, to which that refers (JSON Schema)"),
    ]
    private static let recordingParameters = ["port", "pid", "comm", "cgroup"]
    /// What says what there is.
    static let roots: Set<String> = ["/", "/v1"]

    /// nil: there is nothing.
    static func at(_ path: String) -> Endpoint? {
        if let known = all.first(where: { $0.path == path }) { return known }
        let parent = path.lastIndex(of: "/").map { path[..<$0] } ?? ""
        return all.first { $0.path.hasSuffix("/{id}") && $0.path.dropLast("/{id}".count) == parent }
    }

    /// All of them, for whoever looks around.
    static func list(version: String) -> [UInt8] {
        ServiceJSON.paths(all.map { ($0.path, $0.parameters, $0.meaning) }, version: version)
    }
}
