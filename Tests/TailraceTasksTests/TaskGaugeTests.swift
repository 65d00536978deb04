// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel
import Testing

@testable import TailraceTasks

/// Real processes that do nothing.
private final class Sleepers {
    private(set) var pids: [pid_t] = []

    init(_ count: Int) throws {
        for _ in 0..<count {
            var pid: pid_t = 0
            let words: [UnsafeMutablePointer<CChar>?] = ["sleep", "600"].map { (word: String) in strdup(word) } + [nil]
            defer { words.forEach { free($0) } }
            let result = posix_spawn(&pid, "/bin/sleep", nil, nil, words, environ)
            try #require(result == 0)
            pids.append(pid)
        }
    }

    func end(_ count: Int) {
        for pid in pids.prefix(count) {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        pids.removeFirst(count)
    }

    deinit { end(pids.count) }
}

@Suite("a gauge of many processes")
struct TaskGaugeTests {
    @Test("those for which there is no room are read once others have ended")
    func waits() async throws {
        let sleepers = try Sleepers(70)
        let gauge = TaskGauge(kinds: [.threads])
        defer { gauge.stop() }
        for pid in sleepers.pids { gauge.watch(pid: pid) }
        gauge.settle(patience: 30_000_000_000)
        #expect(gauge.processes(countedBy: Threads.name) == 64)
        sleepers.end(10)
        // 60 are left, and each of them is counted: also the six that had to wait.
        let wanted = Set(sleepers.pids)
        var counted: Set<pid_t> = []
        for _ in 0..<3000 where counted.count < wanted.count {
            for case .counted(let reading) in gauge.take().events where reading.open == 1 {
                if wanted.contains(reading.pid) { counted.insert(reading.pid) }
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(counted == wanted)
    }
}
