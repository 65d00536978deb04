// SPDX-License-Identifier: MIT
import TailraceModel

/// Series as OpenTelemetry's protocol has them: bodies of `POST /v1/metrics` (`ExportMetricsServiceRequest`, opentelemetry-proto
/// 1.x) in its JSON. Sums and histograms are cumulative. A program is a resource; the daemon itself is one too.
public struct OTLPMetrics: Sendable {
    private let run: RunDescription
    /// Of one request, unless a single resource is larger: what a collector takes at its default.
    private static let mostBytes = 1 << 20

    /// Of one run.
    public init(run: RunDescription) { self.run = run }

    /// All series, in as many requests as their size asks for.
    public func requests(_ metrics: MetricSet) -> [[UInt8]] {
        var requests: [[UInt8]] = []
        var together: [[UInt8]] = []
        var held = 0
        for (resource, families) in resources(of: metrics) {
            let told = tell(resource, families, wall: metrics.wall)
            if held > 0, held + told.count > Self.mostBytes {
                requests.append(request(together))
                (together, held) = ([], 0)
            }
            together.append(told)
            held += told.count
        }
        if held > 0 { requests.append(request(together)) }
        return requests
    }

    private func request(_ resources: [[UInt8]]) -> [UInt8] {
        var line = JSONLine()
        line.array("resourceMetrics", json: resources)
        return line.closed()
    }

    private struct Resource: Hashable {
        /// nil: the daemon itself.
        let comm: String?
        let cgroup: String?
    }

    /// In the order in which they are met.
    private func resources(of metrics: MetricSet) -> [(Resource, [MetricFamily])] {
        var order: [Resource] = []
        var told: [Resource: [MetricFamily]] = [:]
        for family in metrics.families {
            for var series in family.series {
                let value = { (key: MetricLabel.Key) in series.labels.first { $0.key == key }?.value }
                let resource = Resource(comm: value(.comm), cgroup: value(.cgroup))
                series.labels.removeAll { $0.key == .comm || $0.key == .cgroup || $0.value.isEmpty }
                if told[resource] == nil { order.append(resource) }
                let last = told[resource]?.last?.metric == family.metric
                if last, let end = told[resource]?.endIndex {
                    told[resource]?[end - 1].series.append(series)
                } else {
                    told[resource, default: []].append(MetricFamily(family.metric, [series]))
                }
            }
        }
        return order.map { ($0, told[$0] ?? []) }
    }

    private func tell(_ resource: Resource, _ families: [MetricFamily], wall: Int64) -> [UInt8] {
        var line = JSONLine()
        line.object("resource") { [run] line in
            line.attributes { list in
                list.add("service.name", resource.comm ?? "tailrace")
                let instance = [resource.comm ?? "tailrace", resource.cgroup ?? ""].filter { !$0.isEmpty }
                list.add("service.instance.id", (instance + [run.host]).joined(separator: "@"))
                if resource.comm == nil { list.add("service.version", run.version) }
                list.add("host.name", run.host)
                list.add("os.type", "linux")
                list.add("os.version", run.kernel)
                list.add("tailrace.cgroup.name", resource.cgroup)
                // Of a pod: no other name of a cgroup has a slash.
                let parts = resource.cgroup?.split(separator: "/").map(String.init) ?? []
                if parts.count == 3 {
                    list.add("k8s.namespace.name", parts[0])
                    list.add("k8s.pod.name", parts[1])
                    list.add("container.name", parts[2])
                }
                list.add("tailrace.backend", run.backend)
            }
        }
        line.array("scopeMetrics", CollectionOfOne(families)) { [run] line, families in
            line.scope(run)
            line.array("metrics", families) { $0.metric($1, wall: wall) }
        }
        return line.closed().dropLast()
    }
}

extension JSONLine {
    /// What made it.
    mutating func scope(_ run: RunDescription) {
        object("scope") {
            $0.field("name", string: "tailrace")
            $0.field("version", string: run.version)
        }
    }

    fileprivate mutating func metric(_ family: MetricFamily, wall: Int64) {
        let metric = family.metric
        field("name", string: metric.conventional)
        field("description", string: metric.help)
        field("unit", string: metric.unit.code)
        let points = { (line: inout JSONLine) in
            line.array("dataPoints", family.series) { $0.point($1, wall: wall) }
        }
        switch metric.kind {
        case _ where metric.kind == .counter || metric.isSum:
            object("sum") {
                $0.field("aggregationTemporality", 2)
                $0.field("isMonotonic", metric.kind == .counter)
                points(&$0)
            }
        case .counter, .gauge, .info: object("gauge") { points(&$0) }
        case .histogram:
            object("histogram") {
                $0.field("aggregationTemporality", 2)
                points(&$0)
            }
        }
    }

    private mutating func point(_ series: MetricSeries, wall: Int64) {
        attributes { list in
            for label in series.labels {
                guard label.key == .port else {
                    list.add(label.key.attribute, label.value)
                    continue
                }
                list.add(label.key.attribute, Int64(label.value))
            }
        }
        field("startTimeUnixNano", string: String(series.since))
        field("timeUnixNano", string: String(wall))
        switch series.point {
        case .counter(.integer(let value)), .gauge(.integer(let value)): field("asInt", string: String(value))
        case .counter(let number), .gauge(let number): field("asDouble", number: number.value)
        case .info: field("asInt", string: "1")
        case .histogram(let point): histogram(point)
        }
    }

    private mutating func histogram(_ point: HistogramPoint) {
        field("count", string: String(point.count))
        field("sum", number: Double(point.sum) / 1e9)
        array("bucketCounts", strings: point.counts.map(String.init))
        array("explicitBounds", decimals: MetricBounds.nanoseconds.map(MetricText.seconds))
        array("exemplars", point.exemplars) { line, exemplar in
            line.field("timeUnixNano", string: String(exemplar.wall))
            line.field("asDouble", number: Double(exemplar.value) / 1e9)
            var list = OTLPAttributes()
            list.add("tailrace.response.id", exemplar.response)
            line.array("filteredAttributes", json: list.attributes)
        }
    }
}

extension Metric {
    /// The name of OpenTelemetry's semantic conventions where they have one.
    fileprivate var conventional: String {
        switch self {
        case .processorTime: "process.cpu.time"
        case .residentBytes: "process.memory.usage"
        case .openDescriptors: "process.open_file_descriptor.count"
        default: kind == .info ? dotted + ".info" : dotted
        }
    }

    /// Of those, the ones that can be added up and may fall (an UpDownCounter there).
    fileprivate var isSum: Bool { self == .residentBytes || self == .openDescriptors }
}

extension Metric.Unit {
    /// By UCUM.
    fileprivate var code: String {
        switch self {
        case .seconds: "s"
        case .bytes: "By"
        case .count: "1"
        }
    }
}

extension MetricLabel.Key {
    /// The name of OpenTelemetry's semantic conventions where they have one.
    fileprivate var attribute: StaticString {
        switch self {
        case .comm: "service.name"
        case .cgroup: "tailrace.cgroup.name"
        case .port: "server.port"
        case .stage: "tailrace.stage"
        case .streaming: "tailrace.streaming"
        case .mark: "tailrace.mark"
        case .endedBy: "tailrace.ended_by"
        case .status: "tailrace.status_class"
        case .provider: "tailrace.tasks.provider"
        case .kind: "tailrace.kind"
        case .cause: "tailrace.cause"
        case .anomaly: "tailrace.finding.anomaly"
        case .severity: "tailrace.finding.severity"
        case .reason: "tailrace.reason"
        case .probe: "tailrace.probe"
        case .version: "service.version"
        case .kernel: "os.version"
        case .backend: "tailrace.backend"
        case .level: "tailrace.level"
        case .state: "tailrace.state"
        }
    }
}
