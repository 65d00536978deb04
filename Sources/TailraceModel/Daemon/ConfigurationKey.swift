// SPDX-License-Identifier: MIT

/// One thing that the daemon's file can set. The parser, the commented default and the manual come from this list.
public struct ConfigurationKey: Sendable {
    /// As it is written before the `=`.
    public let name: String
    /// What it is where nobody sets it; empty: nothing.
    public let standard: String
    /// For people: what it does.
    public let meaning: String
    /// What may be written.
    public let expected: String
    /// It may be given several times.
    public let isList: Bool
    /// False: it is not what is expected.
    let set: @Sendable (inout DaemonConfiguration, String) -> Bool

    private init(
        _ name: String, _ standard: String, _ meaning: String, _ expected: String, isList: Bool = false,
        _ set: @escaping @Sendable (inout DaemonConfiguration, String) -> Bool
    ) {
        (self.name, self.standard, self.meaning, self.expected) = (name, standard, meaning, expected)
        self.isList = isList
        self.set = set
    }

    /// In the order in which they are explained.
    public static let all = targets + outputs + flight + tasks + limits

    private static let targets = [
        ConfigurationKey(
            "port", "", "Trace what this local port accepts. With none of the four: everything.",
            "a port, 1 to 65535", isList: true
        ) { settings, text in
            guard let port = UInt16(text), port > 0 else { return false }
            settings.ports.append(port)
            return true
        },
        ConfigurationKey(
            "comm", "", "Trace processes whose name in the kernel is this one.", "a process's name, at most 15 bytes",
            isList: true
        ) { settings, text in
            guard !text.isEmpty, text.utf8.count <= 15 else { return false }
            settings.comms.append(text)
            return true
        },
        ConfigurationKey(
            "cgroup", "", "Trace processes in this cgroup (v2) and below.", "a path: /system.slice/nginx.service",
            isList: true
        ) { settings, text in
            guard text.first == "/" else { return false }
            settings.cgroups.append(text)
            return true
        },
        ConfigurationKey("pid", "", "Trace the server process with this id.", "a process id", isList: true) {
            settings, text in
            guard let pid = Int32(text), pid > 0 else { return false }
            settings.pids.append(pid)
            return true
        },
    ]

    private static let outputs = [
        ConfigurationKey(
            "socket", "/run/tailrace/tailrace.sock", "Where local users ask (HTTP, JSON). Empty: nowhere.",
            "an absolute path of at most 107 bytes, or nothing"
        ) { settings, text in
            guard text.isEmpty || text.first == "/" && text.utf8.count <= 107 else { return false }
            settings.socket = text
            return true
        },
        ConfigurationKey(
            "socket-group", "tailrace", "Who is in this group may ask; root and the daemon's own user may anyway.",
            "a group's name or number"
        ) { settings, text in
            guard !text.isEmpty else { return false }
            settings.socketGroup = text
            return true
        },
        ConfigurationKey(
            "metrics-listen", "", "Serve /metrics and /v1/health over TCP too, to everybody who reaches the address.",
            "ADDRESS:PORT, such as 127.0.0.1:9842, or nothing"
        ) { settings, text in
            guard text.isEmpty || Self.address(text) != nil else { return false }
            settings.metricsListen = text
            return true
        },
        ConfigurationKey(
            "otlp-endpoint", "", "Send metrics there by OTLP/HTTP (JSON).", "http://HOST:PORT[/PATH], or nothing"
        ) { settings, text in
            guard text.isEmpty || text.hasPrefix("http://") && text.utf8.count > 7 else { return false }
            settings.otlpEndpoint = text
            return true
        },
        ConfigurationKey("otlp-header", "", "A header of each of these requests.", "NAME=VALUE", isList: true) {
            settings, text in
            guard let sign = text.firstIndex(of: "="), sign != text.startIndex else { return false }
            settings.otlpHeaders.append(text)
            return true
        },
        ConfigurationKey(
            "otlp-spans", "off", "Send a span for each ended response: for none, those held or cut short, or all.",
            "off, slow or all"
        ) { settings, text in
            guard let spans = DaemonConfiguration.Spans(rawValue: text) else { return false }
            settings.otlpSpans = spans
            return true
        },
        ConfigurationKey("otlp-interval", "15s", "Time between two sets of metrics.", "a time from 1s") {
            Self.time(from: 1_000_000_000, \.otlpInterval)(&$0, $1)
        },
    ]

    private static let flight = [
        ConfigurationKey(
            "flight-directory", "/var/lib/tailrace", "Keep a recording of the last minutes here. Empty: keep none.",
            "an absolute path, or nothing"
        ) { settings, text in
            guard text.isEmpty || text.first == "/" else { return false }
            settings.flightDirectory = text
            return true
        },
        ConfigurationKey("flight-size", "256MiB", "Largest size of that recording.", "a size from 1MiB") {
            Self.size(from: 1 << 20, \.flightSize)(&$0, $1)
        },
        ConfigurationKey(
            "flight-pinned-size", "128MiB", "Largest size of what is kept around findings, beside it.", "a size"
        ) { Self.size(from: 0, \.flightPinnedSize)(&$0, $1) },
        ConfigurationKey("flight-segment", "30s", "Length of each of its files.", "a time from 1s") {
            Self.time(from: 1_000_000_000, \.flightSegment)(&$0, $1)
        },
    ]

    private static let tasks = [
        ConfigurationKey("tasks", "on", "Count the servers' open tasks, in a process apart.", "on or off") {
            Self.choice(\.readsTasks)(&$0, $1)
        },
        ConfigurationKey(
            "task-probe", "", "Count tasks by two functions of the server, as --task-probe does.",
            "open=BIN:SYMBOL,close=BIN:SYMBOL, or nothing"
        ) { settings, text in
            settings.taskProbe = text
            return true
        },
        ConfigurationKey("show-paths", "on", "Show the paths of requests (never the query).", "on or off") {
            Self.choice(\.showsPaths)(&$0, $1)
        },
    ]

    private static let limits = [
        ConfigurationKey(
            "cpu-limit", "10%", "Own processor time, of one core: beyond it detail is given up, step by step.",
            "a share of one core, such as 10%"
        ) { settings, text in
            guard let share = Threshold.value(of: text, in: .share), share >= 0.005 else { return false }
            settings.cpuLimit = share
            return true
        },
        ConfigurationKey(
            "memory-limit", "256MiB",
            "Own resident memory, without the ring: beyond it detail is given up, step by step.",
            "a size from 32MiB"
        ) { Self.size(from: 32 << 20, \.memoryLimit)(&$0, $1) },
        ConfigurationKey(
            "ring", "16MiB", "Between the kernel and the daemon: more survives longer stalls.",
            "a power of two from 64KiB to 1GiB"
        ) { settings, text in
            guard let bytes = Threshold.value(of: text, in: .bytes).map({ Int64(nearest: $0) }),
                (65536...1 << 30).contains(bytes), bytes & (bytes - 1) == 0
            else { return false }
            settings.ringBytes = bytes
            return true
        },
        ConfigurationKey(
            "max-connections", "65536", "Connections that are followed at once; those beyond are counted.",
            "a number from 1"
        ) { settings, text in
            guard let count = UInt32(text), count > 0 else { return false }
            settings.maxConnections = count
            return true
        },
        ConfigurationKey(
            "threshold", "", "A limit of an anomaly; `tailrace explain ANOMALY` lists them.",
            "ANOMALY.NAME=VALUE, such as slow-consumer.age=2s", isList: true
        ) { settings, text in
            (try? settings.thresholds.set(text)) != nil
        },
    ]

    private typealias Setter = (inout DaemonConfiguration, String) -> Bool

    private static func time(
        from least: Int64, _ path: WritableKeyPath<DaemonConfiguration, Int64>
    ) -> Setter { number(.duration, from: least, path) }

    private static func size(
        from least: Int64, _ path: WritableKeyPath<DaemonConfiguration, Int64>
    ) -> Setter { number(.bytes, from: least, path) }

    private static func number(
        _ unit: Threshold.Unit, from least: Int64, _ path: WritableKeyPath<DaemonConfiguration, Int64>
    ) -> Setter {
        { settings, text in
            guard let value = Threshold.value(of: text, in: unit).map({ Int64(nearest: $0) }), value >= least
            else { return false }
            settings[keyPath: path] = value
            return true
        }
    }

    private static func choice(_ path: WritableKeyPath<DaemonConfiguration, Bool>) -> Setter {
        { settings, text in
            guard text == "on" || text == "off" else { return false }
            settings[keyPath: path] = text == "on"
            return true
        }
    }

    /// `127.0.0.1:9842`, `[::1]:9842`; nil: it is none.
    public static func address(_ text: String) -> (address: String, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var address = text[..<colon]
        if address.first == "[", address.last == "]" {
            address = address.dropFirst().dropLast()
            guard address.contains(":") else { return nil }
        } else if address.contains(":") {
            return nil
        }
        return address.isEmpty ? nil : (String(address), port)
    }
}
