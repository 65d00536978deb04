// SPDX-License-Identifier: MIT
import Testing

@testable import TailraceModel

@Suite struct ConfigurationTests {
    private func read(_ text: String) throws -> DaemonConfiguration {
        try DaemonConfiguration(text: text, file: "t.conf")
    }

    @Test func nothingIsTheDefault() throws {
        #expect(try read("") == DaemonConfiguration())
        #expect(try read(DaemonConfiguration.commentedDefault) == DaemonConfiguration())
    }

    @Test(arguments: ConfigurationKey.all.map(\.name))
    func theShownDefaultIsTheDefault(_ name: String) throws {
        let key = try #require(ConfigurationKey.all.first { $0.name == name })
        guard !key.isList else { return #expect(key.standard.isEmpty) }
        #expect(try read("\(name) = \(key.standard)") == DaemonConfiguration())
    }

    @Test func everyKeyIsRead() throws {
        let settings = try read(
            """
            # a remark
              port = 8080
            port=8443
            comm = nginx
            cgroup = /system.slice/web.service
            pid = 17
            socket = /tmp/x.sock
            socket-group = 44
            metrics-listen = [::1]:9842
            otlp-endpoint = http://127.0.0.1:4318/x
            otlp-header = Authorization=Bearer a=b
            otlp-spans = all
            otlp-interval = 2m
            flight-directory =
            flight-size = 1GiB
            flight-pinned-size = 0B
            flight-segment = 5s
            tasks = off
            task-probe = open=exe:a,close=exe:b
            show-paths = off
            cpu-limit = 2.5%
            memory-limit = 64MiB
            ring = 1MiB
            max-connections = 100
            threshold = slow-consumer.age=2s
            """)
        var wanted = DaemonConfiguration()
        (wanted.ports, wanted.comms, wanted.pids) = ([8080, 8443], ["nginx"], [17])
        wanted.cgroups = ["/system.slice/web.service"]
        (wanted.socket, wanted.socketGroup, wanted.metricsListen) = ("/tmp/x.sock", "44", "[::1]:9842")
        (wanted.otlpEndpoint, wanted.otlpSpans) = ("http://127.0.0.1:4318/x", .all)
        wanted.otlpInterval = 120_000_000_000
        wanted.otlpHeaders = ["Authorization=Bearer a=b"]
        (wanted.flightDirectory, wanted.flightSize, wanted.flightPinnedSize) = ("", 1 << 30, 0)
        (wanted.flightSegment, wanted.readsTasks, wanted.showsPaths) = (5_000_000_000, false, false)
        wanted.taskProbe = "open=exe:a,close=exe:b"
        (wanted.cpuLimit, wanted.memoryLimit, wanted.ringBytes, wanted.maxConnections) = (0.025, 64 << 20, 1 << 20, 100)
        try wanted.thresholds.set("slow-consumer.age=2s")
        #expect(settings == wanted)
    }

    @Test(arguments: [
        ("port = 0", "t.conf:1: port takes a port, 1 to 65535; \"0\" is none"),
        ("\n\nprot = 80", "t.conf:3: there is no key \"prot\"; did you mean port?"),
        ("tasks", "t.conf:1: expected tasks = VALUE, and there is no `=`"),
        ("tasks = yes", "t.conf:1: tasks takes on or off; \"yes\" is none"),
        ("ring = 100KiB", "t.conf:1: ring takes a power of two"),
        ("tasks = on\ntasks = off", "t.conf:2: tasks is set in line 1 already"),
        ("metrics-listen = 9842", "t.conf:1: metrics-listen takes ADDRESS:PORT"),
        ("metrics-listen = ::1:9842", "t.conf:1: metrics-listen takes ADDRESS:PORT"),
        ("otlp-endpoint = https://x", "t.conf:1: otlp-endpoint takes http://HOST:PORT"),
        ("threshold = slow-consumer.age", "t.conf:1: threshold: a threshold is written"),
        ("flight-size = 12", "t.conf:1: flight-size takes a size from 1MiB; \"12\" is none"),
        ("\u{1b}[2J = 1", "t.conf:1: there is no key \"\\u{1b}[2J\""),
    ])
    func whatIsNotUnderstoodIsSaidWithItsLine(_ text: String, _ sentence: String) {
        let error = #expect(throws: ConfigurationError.self) { try read(text) }
        #expect(error?.description.hasPrefix(sentence) == true, "\(error?.description ?? "")")
    }

    @Test func whatNeedsANewStartIsNamed() throws {
        let changed = try read("port = 80\nthreshold = slow-consumer.age=2s\nring = 1MiB\nsocket = /x")
        #expect(changed.needsRestart(from: DaemonConfiguration()) == ["socket", "ring"])
    }

    @Test func theManualSaysWhichKeysNeedNone() throws {
        let others = [
            "socket": "/x", "socket-group": "7", "metrics-listen": "127.0.0.1:1", "otlp-endpoint": "http://x",
            "otlp-header": "a=b", "flight-directory": "/x", "flight-size": "2MiB", "flight-pinned-size": "2MiB",
            "flight-segment": "2s", "tasks": "off", "task-probe": "open=a:b,close=c:d", "show-paths": "off",
            "ring": "1MiB", "max-connections": "7",
        ]
        for (key, value) in others {
            #expect(try read("\(key) = \(value)").needsRestart(from: DaemonConfiguration()) == [key])
        }
        // In the same words in man/tailrace.conf.mdoc.
        let free = Set(ConfigurationKey.all.map(\.name)).subtracting(others.keys)
        #expect(
            free == [
                "port", "comm", "cgroup", "pid", "threshold", "cpu-limit", "memory-limit", "otlp-spans",
                "otlp-interval",
            ])
    }
}
