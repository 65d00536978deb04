// SPDX-License-Identifier: MIT
import ArgumentParser

struct Doctor: ParsableCommand {
    func run() throws {}
}
