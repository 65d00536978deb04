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

    func end(_ some: [pid_t]) {
        for pid in some {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        pids.removeAll { some.contains($0) }
    }

    deinit { end(pids) }
}

@Suite("a gauge of many processes")
struct TaskGaugeTests {
    @Test("those for which there is no room are read once others have ended")
    func waits() async throws {
        let sleepers = try Sleepers(70)
        let gauge = TaskGauge(kinds: [.threads])
        defer { gauge.stop() }
        for pid in sleepers.pids { gauge.watch(pid: pid) }
        var counted = try await counted(by: gauge) { $0.count == 64 }
        #expect(counted.count == 64 && gauge.processes(countedBy: Threads.name) == 64)
        let unread = Set(sleepers.pids).subtracting(counted)
        sleepers.end(Array(counted.prefix(10)))
        counted = try await self.counted(by: gauge, knowing: counted) { $0.isSuperset(of: sleepers.pids) }
        #expect(unread.count == 6 && counted.isSuperset(of: unread) && counted.isSuperset(of: sleepers.pids))
    }

    /// Those of which a count was told, once that holds, or half a minute has gone.
    private func counted(
        by gauge: TaskGauge, knowing before: Set<pid_t> = [], until holds: (Set<pid_t>) -> Bool
    ) async throws -> Set<pid_t> {
        var counted = before
        for _ in 0..<3000 {
            for case .counted(let reading) in gauge.take().events {
                if reading.open == 1 { counted.insert(reading.pid) } else { counted.remove(reading.pid) }
            }
            if holds(counted) { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        return counted
    }
}
