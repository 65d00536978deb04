// SPDX-License-Identifier: MIT

// Makes and ends Swift tasks of every kind, a step for each line on its standard input, and says how many are open then.

import Glibc

let gate = Gate()
let secondGate = Gate()

@inline(never)
func holdOpen() async { await gate.wait() }

@inline(never)
func leakTasks() -> [Task<Void, Never>] { (0..<1000).map { _ in Task { await holdOpen() } } }

@inline(never)
func detachTasks() { for _ in 0..<500 { Task.detached { await holdOpen() } } }

@inline(never)
func leakNamed() {
    for number: UInt8 in [1, 3, 7, 16, 21, 30] {
        Task(name: "worker \(number)", priority: TaskPriority(rawValue: number)) { await holdOpen() }
    }
}

@inline(never)
func few(_ number: Int) async -> Int {
    await Task.yield()
    return number
}

/// Its children lie in its task's own memory, and are not freed one by one.
@inline(never)
func pair(_ number: Int) async -> Int {
    async let first = few(number)
    async let second = few(number + 1)
    return await first + second
}

/// Used over and over, and partly written over: what ended there may look as if it had not.
@inline(never)
func wearOut(_ rounds: Int) async -> Int {
    var sum = 0
    for round in 0..<rounds {
        sum += await pair(round)
        sum += await withTaskGroup(of: Int.self) { group in
            for number in 0..<5 { group.addTask { await few(number) } }
            return await group.reduce(0, +)
        }
    }
    return sum
}

@inline(never)
func nested(_ depth: Int) async {
    guard depth > 0 else { return await secondGate.wait() }
    async let inner: Void = nested(depth - 1)
    await inner
}

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
        leakNamed()
        await gate.settle(1506)
        say("named", 1507)
        let group = Task {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<200 { group.addTask { await holdOpen() } }
                await group.waitForAll()
            }
        }
        await gate.settle(1706)
        say("group", 1708)
        let children = (0..<50).map { _ in
            Task {
                async let first: Void = holdOpen()
                async let second: Void = holdOpen()
                _ = await (first, second)
            }
        }
        await gate.settle(1806)
        say("async-let", 1858)
        let cancelled = Task { try? await Task.sleep(nanoseconds: 3_600_000_000_000) }
        cancelled.cancel()
        _ = await cancelled.value
        say("cancelled", 1858)
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
        for _ in 0..<100 {
            Task {
                guard await wearOut(30) > 0 else { return }
                await nested(3)
            }
        }
        await secondGate.settle(100)
        usleep(100_000)
        say("worn", 401)
        await secondGate.open()
        usleep(500_000)
        await Task.yield()
        say("over", 1)
    }
}
