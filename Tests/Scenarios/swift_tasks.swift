// SPDX-License-Identifier: MIT

// Makes and ends Swift tasks of every kind, a step for each line on its standard input, and says how many are open then.

import Glibc

let gate = Gate()

@inline(never)
func holdOpen() async { await gate.wait() }

@inline(never)
func leakTasks() -> [Task<Void, Never>] { (0..<1000).map { _ in Task { await holdOpen() } } }

@inline(never)
func detachTasks() { for _ in 0..<500 { Task.detached { await holdOpen() } } }

/// Says the count, and waits for the next line.
func say(_ what: String, _ open: Int) {
    print("\(what) \(open)")
    fflush(stdout)
    if readLine() == nil { exit(0) }
}

@main
struct SwiftTasks {
    // The first task is the program's own: it is in `readLine` whenever somebody looks.
    static func main() async {
        say("begin", 1)
        let kept = leakTasks()
        await gate.settle(1000)
        say("tasks", 1001)
        detachTasks()
        await gate.settle(1500)
        say("detached", 1501)
        let group = Task {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<200 { group.addTask { await holdOpen() } }
                await group.waitForAll()
            }
        }
        await gate.settle(1700)
        say("group", 1702)
        let children = (0..<50).map { _ in
            Task {
                async let first: Void = holdOpen()
                async let second: Void = holdOpen()
                _ = await (first, second)
            }
        }
        await gate.settle(1800)
        say("async-let", 1852)
        let cancelled = Task { try? await Task.sleep(nanoseconds: 3_600_000_000_000) }
        cancelled.cancel()
        _ = await cancelled.value
        say("cancelled", 1852)
        await gate.open()
        for task in kept + children + [group] { await task.value }
        usleep(300_000)
        say("ended", 1)
        await withTaskGroup(of: Int.self) { group in
            for number in 0..<100_000 {
                group.addTask { number }
                if number % 64 == 63 { for _ in 0..<64 { _ = await group.next() } }
            }
        }
        usleep(300_000)
        say("churn", 1)
    }
}
