// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// `tailrace record`: keeps what the kernel told, for `export`, `report` and `top --replay`.
struct Record: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Record the events of a server's responses into a file.",
        discussion: """
            Ends after --for, with CMD, at Ctrl-C, or when the traced processes are gone; a summary and the loss go to stderr. Of
            the payload nothing is kept but methods, paths without query, versions, status, and the fields that frame a body.

            FILE is created for its owner only (0600). A file that is there is kept as FILE.old; symbolic links, directories and
            pipes are refused. When --max-size is reached, or the disk is full, tracing goes on: what is dropped is counted, and
            said here and in the recording; where not even that could be written, the exit code is 1. `kill -9` leaves a recording that is good up to its last second.

            With CMD it is started once everything is attached, and recording ends with it; TARGET says what is traced, CMD or
            others. CMD's exit code is then ours (128 + N where signal N killed it, 127 where it is not there). Ctrl-C and --for
            tell CMD to end (SIGTERM, after 5 s SIGKILL); a second Ctrl-C ends at once.

            EXAMPLES
              sudo tailrace record --port 8080 -o incident.trc --for 30s
              sudo tailrace record --port 8080 -o load.trc -- wrk -d 10 http://127.0.0.1:8080/
            """)

    @OptionGroup var options: TargetOptions

    @Option(name: [.short, .customLong("output")], help: ArgumentHelp("The recording.", valueName: "file"))
    var output: String

    @Option(name: .customLong("for"), help: ArgumentHelp("End after this time: 250ms, 30s, 5m.", valueName: "time"))
    var duration: TimeSpan?

    @Option(help: ArgumentHelp("Largest size of the file, from 64KiB (1GiB).", valueName: "size"))
    var maxSize: ByteCount?

    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("Record for as long as this command runs.", valueName: "cmd"))
    var command: [String] = []

    func validate() throws {
        if let bytes = maxSize?.bytes, bytes < 65536 {
            throw ValidationError("--max-size takes 64KiB and more; \(bytes) bytes are too few.")
        }
    }

    func run() throws {
        let run = try options.liveRun(tellsFlushes: false)
        let writer = try RecordingWriter(
            path: output, description: run.recordingDescription, longest: UInt64(maxSize?.bytes ?? 1 << 30),
            redactor: HeadRedactor(), say: complain)
        run.tap = writer
        try run.readTasks(of: options)
        try ReadyFile.create(options.readyFile)
        let code = try record(run, writer)
        complain(summary(of: writer, run))
        if code != 0 || !writer.summary.hasEnd { throw ExitCode(code != 0 ? code : 1) }
    }

    /// The exit code.
    private func record(_ run: any LiveRun, _ writer: RecordingWriter<HeadRedactor>) throws -> Int32 {
        let watched = command.isEmpty ? nil : try WatchedCommand(command)
        let end = duration.map { run.now + $0.nanoseconds }
        var isInterrupted = false
        do {
            try run.run(
                handle: { _ in },
                afterDrain: { writer.tick(at: run.now, anchor: run.anchor, loss: run.loss) },
                mayEnd: {
                    defer { isInterrupted = true }
                    watched?.tellToEnd()
                    return watched == nil || isInterrupted
                },
                isDone: { watched?.hasEnded == true || end.map { run.now >= $0 } == true })
        } catch {
            _ = watched?.end()
            throw error
        }
        let code = watched?.end() ?? 0
        writer.finish(at: run.now, anchor: run.anchor, loss: run.loss())
        return code
    }

    private func summary(of writer: RecordingWriter<HeadRedactor>, _ run: any LiveRun) -> String {
        let summary = writer.summary
        var words =
            "\(summary.records) records in \(Quantity.size(Int64(summary.bytes))): \(output); \(run.loss().words)"
        if summary.malformed > 0 { words += ", \(summary.malformed) no records" }
        return summary.dropped == 0
            ? words : words + "; \(summary.dropped) records were dropped and are not in the recording"
    }
}

extension HeadRedactor: PayloadRedactor {}
