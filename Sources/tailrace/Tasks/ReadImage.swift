// SPDX-License-Identifier: MIT
import ArgumentParser
import TailraceTasks

/// Not for people: the process without rights that reads other programs' executables.
struct ReadImage: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read-image", abstract: "Answer questions about an executable.", shouldDisplay: false)

    @Argument var path: String

    func run() { ImageSession.serve(path: path) }
}
