// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceModel
import TailraceService

/// `tailrace daemon`: traces all the time, without privilege once it has begun, for whoever may ask.
struct DaemonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon",
        abstract: "Trace all the time, for dashboards, metrics and the recording of the last minutes.",
        discussion: """
            Loads and attaches the probes, then gives up every capability. Whoever is in its group can use `tailrace top`, `trace`, \
            `report` and `record` without any. Settings come from a file; SIGHUP reads it again, SIGTERM ends.

            EXAMPLES
              sudo tailrace daemon
              sudo tailrace daemon --config tailrace.conf
              tailrace daemon --default-config > tailrace.conf
            """)

    /// Where it is installed.
    static let standardFile = "/etc/tailrace/tailrace.conf"

    @Option(help: ArgumentHelp("The file of settings. Default: \(standardFile) where that is.", valueName: "file"))
    var config: String?

    @Flag(help: "Write a file of settings with every default and its meaning, and end.")
    var defaultConfig = false

    @Flag(help: "Only say whether the settings are understood.")
    var check = false

    @Option(help: ArgumentHelp("Create this file once all probes are attached.", valueName: "path"))
    var readyFile: String?

    @OptionGroup var choice: BackendOption

    func run() throws {
        if defaultConfig {
            var output = Output(STDOUT_FILENO)
            output.append(DaemonConfiguration.commentedDefault)
            return try output.flush()
        }
        let file = config ?? (access(Self.standardFile, F_OK) == 0 ? Self.standardFile : nil)
        let settings = try Self.settings(in: file)
        if check { return complain("\(file ?? "no file: the defaults"): understood") }
        try OwnMemory.keep()
        // Attaching needs what is given up afterwards, so what can be refused is refused before.
        let daemon = try Daemon(settings, file: file, backend: choice.backend)
        try daemon.run { try ReadyFile.create(readyFile) }
    }

    /// What `file` says; the defaults where there is none.
    static func settings(in file: String?) throws -> DaemonConfiguration {
        guard let file else { return DaemonConfiguration() }
        do throws(ConfigurationError) {
            var check = SettingsCheck()
            return try DaemonConfiguration(text: text(of: file), file: Sanitizer.visible(file)) {
                check.refusal($0, $1)
            }
        } catch {
            throw ExitFailure(code: 64, description: error.description)
        }
    }

    private static let mostBytes = 1 << 18

    /// Not waiting: a pipe could have nobody at its other end.
    private static func text(of path: String) throws(ConfigurationError) -> String {
        let shown = Sanitizer.visible(path)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0, let file = fdopen(descriptor, "r") else {
            throw ConfigurationError(
                "cannot read the settings in \(shown): \(String(cString: strerror(errno))); "
                    + "give a file that may be read (--config)")
        }
        defer { fclose(file) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, ![S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT) else {
            throw ConfigurationError(
                "the settings in \(shown) cannot be read: it is a pipe, which cannot be read again; give a text file")
        }
        var bytes = [UInt8](repeating: 0, count: mostBytes)
        let count = fread(&bytes, 1, bytes.count, file)
        guard ferror(file) == 0, count < mostBytes else {
            throw ConfigurationError(
                "the settings in \(shown) cannot be read, or are larger than \(mostBytes) bytes; give a text file")
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
