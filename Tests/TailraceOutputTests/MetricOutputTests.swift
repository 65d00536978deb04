// SPDX-License-Identifier: MIT
import Foundation
import TailraceModel
import Testing

@testable import TailraceOutput

@Suite("Metrics as text and OTLP")
struct MetricOutputTests {
    private let labels = [
        MetricLabel(.comm, "a\"b\\c\n\u{1b}"), MetricLabel(.cgroup, ""), MetricLabel(.port, "80"),
    ]

    private var metrics: MetricSet {
        var set = MetricSet(wall: 1_700_000_000_123_456_789)
        var counts = [Int64](repeating: 0, count: MetricBounds.buckets)
        (counts[0], counts[3], counts[21]) = (4, 2, 1)
        let exemplar = Exemplar(bucket: 3, response: "ff-2", value: 750_000, wall: 1_700_000_000_000_999_999)
        let times = HistogramPoint(counts: counts, sum: 7_200_001_500_000, exemplars: [exemplar])
        let since: Int64 = 1_600_000_000_000_000_000
        set.families = [
            MetricFamily(.responseDuration, [MetricSeries(labels, .histogram(times), since: since)]),
            MetricFamily(.responseHeld, [MetricSeries(labels, .counter(.nanoseconds(1_000_000_001)), since: since)]),
            MetricFamily(.openResponses, [MetricSeries(labels, .gauge(.integer(3)))]),
            MetricFamily(.build, [MetricSeries([MetricLabel(.version, "1.2")], .info)]),
            MetricFamily(.eventsMade, [MetricSeries([], .counter(.integer(9)), since: since)]),
        ]
        return set
    }

    private func text(_ dialect: OpenMetrics.Dialect) -> [Substring] {
        String(decoding: OpenMetrics(dialect).bytes(metrics), as: UTF8.self).split(separator: "\n")
    }

    @Test("OpenMetrics, line by line")
    func openMetrics() {
        let name = #"comm="a\"b\\c\\u{a}\\u{1b}",cgroup="",port="80""#
        var expected = [
            "# TYPE tailrace_response_duration_seconds histogram", "# UNIT tailrace_response_duration_seconds seconds",
            "# HELP tailrace_response_duration_seconds \(Metric.responseDuration.help).",
        ]
        let bounds = [
            "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5",
            "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "300.0", "900.0", "3600.0", "+Inf",
        ]
        for (bucket, bound) in bounds.enumerated() {
            let below = bucket < 3 ? 4 : bucket < 21 ? 6 : 7
            let exemplar = bucket == 3 ? #" # {response_id="ff-2"} 0.00075 1700000000.0"# : ""
            expected.append("tailrace_response_duration_seconds_bucket{\(name),le=\"\(bound)\"} \(below)\(exemplar)")
        }
        expected += [
            "tailrace_response_duration_seconds_sum{\(name)} 7200.0015",
            "tailrace_response_duration_seconds_count{\(name)} 7",
            "# TYPE tailrace_response_held_seconds counter", "# UNIT tailrace_response_held_seconds seconds",
            "# HELP tailrace_response_held_seconds \(Metric.responseHeld.help).",
            "tailrace_response_held_seconds_total{\(name)} 1.000000001",
            "# TYPE tailrace_open_responses gauge",
            "# HELP tailrace_open_responses \(Metric.openResponses.help).",
            "tailrace_open_responses{\(name)} 3",
            "# TYPE tailrace_build info", "# HELP tailrace_build \(Metric.build.help).",
            #"tailrace_build_info{version="1.2"} 1"#,
            "# TYPE tailrace_events_made counter", "# HELP tailrace_events_made \(Metric.eventsMade.help).",
            "tailrace_events_made_total 9", "# EOF",
        ]
        let told = text(.openMetrics).map(String.init)
        #expect(told.count == expected.count)
        for (line, wanted) in zip(told, expected) { #expect(line == wanted) }
    }

    @Test("the older format has the same samples, and nothing that it does not know")
    func prometheus() {
        let samples = { (lines: [Substring]) in
            lines.filter { $0.first != "#" }.map { $0.components(separatedBy: " # {")[0] }
        }
        let lines = text(.prometheus)
        #expect(samples(lines) == samples(text(.openMetrics)))
        #expect(!lines.contains { $0.contains(" # {") || $0.hasPrefix("# UNIT") || $0.hasPrefix("# EOF") })
        #expect(lines.contains("# TYPE tailrace_response_held_seconds_total counter"))
        #expect(lines.contains("# TYPE tailrace_build_info gauge"))
    }

    @Test("seconds have all digits of their nanoseconds, and no other")
    func seconds() {
        let told: [(Int64, String)] = [
            (0, "0.0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (-2_000_000_010, "-2.00000001"),
            (.max, "9223372036.854775807"), (.min, "-9223372036.854775808"),
        ]
        for (value, text) in told { #expect(MetricText.seconds(value) == text) }
    }

    @Test(
        "whoever reads OpenMetrics as gladly gets it",
        arguments: [
            ("application/openmetrics-text", true), ("text/plain, application/openmetrics-text", true),
            ("Application/OpenMetrics-Text ; Version=1.0.0 ;q=0.5 , text/plain;q=0.4", true),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.4", false), ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;version=0.0.1", false), ("application/openmetrics-text;q=x", false),
            ("", false), ("*/*", false), (";;,,=", false), ("text/html", false),
        ])
    func negotiation(accept: String, isNewer: Bool) {
        #expect(OpenMetrics(accept: accept).contentType.hasPrefix("application/openmetrics-text") == isNewer)
    }

    @Test("large sets go in several requests, and no series is lost")
    func requests() throws {
        let run = RunDescription(
            version: "1", host: "h", kernel: "k", backend: "b", anchor: ClockAnchor(monotonic: 0, wall: 0))
        var set = MetricSet(wall: 5)
        let counts = [Int64](repeating: 1, count: MetricBounds.buckets)
        set.families = [Metric.responseDuration, .firstFlush, .openResponses].map { metric in
            MetricFamily(
                metric,
                (0..<2000).map { number in
                    let point: MetricPoint =
                        metric == .openResponses
                        ? .gauge(.integer(1)) : .histogram(HistogramPoint(counts: counts, sum: 1))
                    return MetricSeries([MetricLabel(.comm, "s\(number)"), MetricLabel(.cgroup, "g")], point)
                })
        }
        let requests = OTLPMetrics(run: run).requests(set)
        #expect(requests.count > 1 && requests.allSatisfy { $0.count < 1 << 21 })
        var names: [String: Int] = [:]
        for request in requests {
            let object = try #require(JSONSerialization.jsonObject(with: Data(request)) as? [String: Any])
            for resource in try #require(object["resourceMetrics"] as? [[String: Any]]) {
                let scopes = try #require(resource["scopeMetrics"] as? [[String: Any]])
                for metric in try #require(scopes.first?["metrics"] as? [[String: Any]]) {
                    names[metric["name"] as? String ?? "", default: 0] += 1
                }
            }
        }
        #expect(names.count == 3 && names.values.allSatisfy { $0 == 2000 }, "\(names)")
    }
}
