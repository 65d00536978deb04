// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceCapture
import TailraceService
import TailraceTasks

/// The command line: one file for each command, and nothing else here.
@main
struct Tailrace: ParsableCommand {
    static let version = "0.1.0"
    static let configuration = CommandConfiguration(
        commandName: "tailrace",
        abstract:
            "Where a streaming server's responses spend their time: from the kernel, without touching the server.",
        version: version,
        subcommands: [
            Top.self, Trace.self, Record.self, ReportCommand.self, Export.self, TasksCommand.self, Explain.self,
            DaemonCommand.self, Demo.self, Doctor.self, ReadImage.self, ReadTasks.self,
        ], defaultSubcommand: Top.self)

    static func main() {
        signal(SIGPIPE, SIG_IGN)
        // A limit of the file's size is an error of write(), not our end.
        signal(SIGXFSZ, SIG_IGN)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error as CaptureError {
            complain(error.description, .error)
            Glibc.exit(error.kind.rawValue)
        } catch let error as TaskError {
            complain(error.description, .error)
            Glibc.exit(error.kind.rawValue)
        } catch let error as ServiceError {
            complain(error.description, .error)
            Glibc.exit(1)
        } catch let failure as ExitFailure {
            complain(failure.description, .error)
            Glibc.exit(failure.code)
        } catch let failure as Failure {
            complain(failure.description, .error)
            Glibc.exit(1)
        } catch is OutputClosed {
            Glibc.exit(0)
        } catch {
            exit(withError: error)
        }
    }
}

/// How much a sentence matters, as syslog(3) and the journal count.
enum LogPriority: Int {
    case error = 3
    case warning = 4
    case info = 6

    /// Whether stderr is the journal's, which then takes `<N>` in front of a line.
    private static let isJournal: Bool = {
        var status = stat()
        guard let stream = getenv("JOURNAL_STREAM"), fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }()

    /// In front of a line.
    var mark: String { Self.isJournal ? "<\(rawValue)>" : "" }
}

/// One sentence on stderr.
func complain(_ sentence: String) { complain(sentence, .warning) }

/// The same, where it matters more or less.
func complain(_ sentence: String, _ priority: LogPriority) {
    Output.write(Array("\(priority.mark)tailrace: \(sentence)\n".utf8), to: STDERR_FILENO)
}
