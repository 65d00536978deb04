// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Goroutines of a Go program: read from its memory, without a probe, a stop or a word from it.
public final class Goroutines: TaskProvider {
    /// As DESIGN names it.
    public static let name = "go"
    let runtime: GoRuntime
    private let pid: Int32
    private var ages = GoAges()
    var remains = GoRemains()

    /// - Throws: why its goroutines cannot be told.
    public init(pid: Int32) throws(TaskError) {
        runtime = try GoRuntime(pid: pid)
        self.pid = pid
    }

    /// The program's release of Go.
    public var remark: String? { "Go \(runtime.version), read from memory" }

    /// As `runtime.NumGoroutine()` counts them; throws where the process has ended.
    public func count() throws(TaskError) -> Int {
        guard let count = runtime.count() else { throw unreadable() }
        return count
    }

    func unreadable() -> TaskError {
        TaskError(.failed, "cannot read the goroutines of process \(pid): it has ended, or runs another program now")
    }

    /// Responses whose client has gone, by the goroutine that serves them: whose tasks are looked for in the groups. nil:
    /// nobody knows any.
    public var gone: [UInt64: String]?

    /// By where they were created, what they run, what and where they wait for; throws where the process has ended.
    public func groups() throws(TaskError) -> [TaskGroup] {
        let now = monotonic()
        var groups = GoGroups(keepsKin: gone?.isEmpty == false)
        ages.beginLook()
        let isWhole = runtime.forEachGoroutine { goroutine in
            groups.add(goroutine, age: now - since(goroutine, now))
        }
        guard isWhole else { throw unreadable() }
        ages.endLook()
        let (told, kin) = try groups.told(by: runtime)
        return mark(told, kin)
    }

    private func since(_ goroutine: Goroutine, _ now: Int64) -> Int64 {
        guard goroutine.status == Goroutine.waiting else { return now }
        let noted = goroutine.waitsSince > 0 ? goroutine.waitsSince : now
        return watches ? min(noted, ages.since(goroutine, now: now)) : noted
    }

    /// Whether ages are kept from one census to the next: for whoever takes several.
    public var watches = false
}

/// Now, ns of CLOCK_MONOTONIC.
func monotonic() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
