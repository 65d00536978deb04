// SPDX-License-Identifier: MIT
import ArgumentParser

struct Demo: ParsableCommand {
    func run() throws {}
}
