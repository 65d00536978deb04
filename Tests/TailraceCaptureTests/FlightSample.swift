// SPDX-License-Identifier: MIT
import Glibc
import SeededRandom
import TailraceAnalysis
import TailraceModel
import TailraceOutput
import Testing
import Traffic

@testable import TailraceCapture

extension HeadRedactor: PayloadRedactor {}

/// A flight recorder that is told what traffic by chance tells, beside a recording of the same; the clock is that of the
/// records.
final class FlightSample {
    let directory: ScratchDirectory
    let flight: String
    let late = LateRecording(mostSockets: 1000)
    private(set) var recorder: FlightRecorder<HeadRedactor>
    private(set) var now: Nanoseconds = 1
    private(set) var said: [String] = []
    let limits: FlightLimits
    /// Records that it was told.
    private(set) var taken: UInt64 = 0
    /// Called after each record and each tick.
    var look: () -> Void = {}
    static let wall: Int64 = 1_800_000_000_000_000_000

    init(_ limits: FlightLimits, directory: ScratchDirectory? = nil) throws {
        self.directory = try directory ?? ScratchDirectory()
        self.limits = limits
        flight = self.directory.file("flight")
        var sentences: [String] = []
        recorder = try Self.recorder(flight, limits, late, now) { sentences.append($0) }
        said = sentences
    }

    static var description: RecordingDescription {
        var description = RecordingDescription()
        description.jiffy = WireEncoder.jiffy
        return description
    }

    private static func recorder(
        _ path: String, _ limits: FlightLimits, _ late: LateRecording, _ now: Nanoseconds,
        say: @escaping (String) -> Void
    ) throws -> FlightRecorder<HeadRedactor> {
        try FlightRecorder(
            path: path, limits: limits, description: description, late: late, redactor: HeadRedactor(),
            anchor: anchor(now), say: say)
    }

    static func anchor(_ now: Nanoseconds) -> ClockAnchor { ClockAnchor(monotonic: now, wall: wall + now) }

    func take(_ record: [UInt8]) {
        record.withUnsafeBytes { late.take($0) }
        taken += 1
        look()
    }

    func tick(at time: Nanoseconds) {
        now = max(now, time)
        late.tick(at: now, anchor: Self.anchor(now), loss: { [taken] in Self.loss(taken) })
        look()
    }

    func finish() { recorder.finish(at: now, anchor: Self.anchor(now), loss: Self.loss(taken)) }

    static func loss(_ made: UInt64) -> Loss {
        var loss = Loss()
        (loss.made, loss.delivered) = (made, made)
        return loss
    }

    var names: [String] { listDirectory(flight).filter { $0.hasSuffix(".trc") }.sorted() }
    var pinned: [String] { listDirectory(flight + "/pinned").filter { $0.hasSuffix(".trc") }.sorted() }

    /// What the files of a directory take, the unfinished ones too.
    func size(_ directory: String) -> UInt64 {
        listDirectory(directory).reduce(0) { sum, name in
            var status = stat()
            guard lstat(directory + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return sum }
            return sum + max(UInt64(status.st_size), UInt64(status.st_blocks) * 512)
        }
    }

    deinit {
        for place in [flight + "/pinned", flight] {
            for name in listDirectory(place) where name != "." && name != ".." { unlink(place + "/" + name) }
            rmdir(place)
        }
    }
}

/// Everything that a source tells, as it would be written, and with its account.
struct Telling {
    var lines: [String] = []
    var account = RecordingAccount()
    var loss = Loss()

    init(_ source: some RecordedSource) throws(CaptureError) {
        var correlator = Correlator(tellsFlushes: true)
        let format = NDJSON(
            run: RunDescription(version: "", host: "", kernel: "", backend: "", anchor: FlightSample.anchor(0)))
        var told: [String] = []
        let anchor = FlightSample.anchor(0)
        while !source.isAtEnd {
            try source.drain { event in
                correlator.take(event) { actions in
                    for place in actions.ended.indices {
                        told.append(
                            String(decoding: format.response(actions.ended[place], anchor: anchor), as: UTF8.self))
                    }
                    if let flush = actions.flush {
                        told.append(String(decoding: format.flush(flush, anchor: anchor), as: UTF8.self))
                    }
                }
            }
        }
        for response in correlator.open(at: source.now) {
            told.append(String(decoding: format.response(response, anchor: anchor), as: UTF8.self))
        }
        (lines, account, loss) = (told, source.account, source.loss())
    }
}

/// Connections by chance, their records in the order of their times, and what is told of tasks among them.
func traffic(seed: UInt64, connections: Int) -> [[UInt8]] {
    var random = SeededGenerator(state: seed)
    let servers = [42, 43].map { Server(pid: $0, started: 77, comm: "s", executable: nil, cgroup: nil) }
    let records = (0..<connections).flatMap { index in
        TracedConnection(seed: random.next(), index: index, server: servers[index % 2]).kernel.records
    }
    // Of one connection they keep their order: sorting is stable.
    return records.sorted { $0.at < $1.at }.map(WireEncoder.bytes)
}

/// When a record was made.
func time(of record: [UInt8]) -> Nanoseconds {
    Nanoseconds(record.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
}
