// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// `tailrace demo`: a streaming server under pressure, traced, reported. Server and clients are processes of their own;
/// the tracer knows nothing of them but the port.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a streaming server with fast and slow clients, trace it, and show where its time went.",
        discussion:
            "Everything happens on the loopback device and takes a few seconds. Needs root, as every trace does.")

    @Argument(help: ArgumentHelp("What to run; --list shows the names. Default: all of them.", valueName: "scenario"))
    var scenario: String?

    @Flag(help: "List the scenarios.")
    var list = false

    @Option(help: .hidden)
    var role: String?

    @Option(help: .hidden)
    var port: UInt16 = 0

    func validate() throws {
        if let scenario, !DemoScenario.all.contains(where: { $0.name == scenario }) {
            throw ValidationError("There is no scenario \(scenario.debugDescription); --list shows them.")
        }
    }

    func run() throws {
        let scenarios = DemoScenario.all.filter { scenario == nil || $0.name == scenario }
        switch role {
        case "server": try DemoServer().serve()
        case "clients": DemoClients(port: port).run(scenarios)
        default:
            if list {
                for scenario in DemoScenario.all { print("\(scenario.name.padded(to: 10)) \(scenario.meaning)") }
            } else {
                try trace(scenarios)
            }
        }
    }

    private func trace(_ scenarios: [DemoScenario]) throws {
        let server = try ChildProcess(["demo", "--role", "server"])
        defer { server.end() }
        guard let port = server.readLine().flatMap({ UInt16($0) }) else {
            throw Failure("the demo's server did not start")
        }
        var target = Target()
        target.ports = [port]
        let run = try TracingRun(target: target, tellsFlushes: true)
        let clients = try ChildProcess(
            ["demo", "--role", "clients", "--port", "\(port)"] + (scenario.map { [$0] } ?? []))
        defer { clients.end() }
        let opening =
            "A streaming server listens on port \(port); its clients run for some seconds, traced from the kernel ...\n"
        Output.write(Array(opening.utf8), to: STDOUT_FILENO)
        let report = DemoReport(scenarios: scenarios)
        try run.run(tell: report.take, afterDrain: {}, isDone: { clients.hasEnded })
        var output = Output(STDOUT_FILENO)
        output.append(report.text(loss: run.source.loss()))
        try output.flush()
    }
}

/// One client, and what it asks for.
struct DemoScenario {
    let name: String
    /// One line: server and client.
    let meaning: String
    /// The request's path names the scenario.
    var path: String { "/" + name }
    /// How often the client asks.
    let requests: Int
    /// Bytes per second that the client reads; nil: as fast as they come.
    let readRate: Int?

    static let all = [
        DemoScenario(
            name: "tokens", meaning: "a stream of 40 small events, 20 ms apart, read at once", requests: 4,
            readRate: nil),
        DemoScenario(
            name: "think", meaning: "the server thinks for 300 ms before its first byte", requests: 8, readRate: nil),
        DemoScenario(
            name: "fast", meaning: "small replies, asked for and read at once", requests: 400, readRate: nil),
        DemoScenario(
            name: "download", meaning: "6 MB for a client that reads 2 MB a second", requests: 1, readRate: 2_000_000),
        DemoScenario(
            name: "bursts", meaning: "1 MB in writes of 4 KiB every 250 ms, for a client that reads 58 Mbit a second",
            requests: 1, readRate: 7_250_000),
    ]
}
