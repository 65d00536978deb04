// SPDX-License-Identifier: MIT

/// What a goroutine waits for, as Go's own traces say it. The numbers change with the release.
enum GoWaitReasons {
    /// By number, for a release whose layout is known.
    static func names(minor: Int) -> [String] {
        switch minor {
        case ...19: oldest
        case ...21: first + ["preempted", "debug call", "GC mark termination", "stopping the world"]
        case ...23: first + later + coroutine + (minor == 23 ? ["GC weak to strong wait"] : [])
        case 24: withGroup(first) + later + coroutine + synctest("synctest")
        case 25: withUpdater(withGroup(first)) + later + coroutine + synctest("durable") + newest
        default: reordered + later + coroutine + synctest("durable") + newest
        }
    }

    private static let begin = [
        "", "GC assist marking", "IO wait", "chan receive (nil chan)", "chan send (nil chan)", "dumping heap",
        "garbage collection", "garbage collection scan", "panicwait", "select", "select (no cases)", "GC assist wait",
        "GC sweep wait", "GC scavenge wait", "chan receive", "chan send", "finalizer wait", "force gc (idle)",
        "semacquire", "sleep", "sync.Cond.Wait",
    ]
    private static let oldest =
        begin + [
            "timer goroutine (idle)", "trace reader (blocked)", "wait for GC cycle", "GC worker (idle)", "preempted",
            "debug call",
        ]
    private static let locks = ["sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock"]
    private static let workers = [
        "trace reader (blocked)", "wait for GC cycle", "GC worker (idle)", "GC worker (active)",
    ]
    private static let first = begin + locks + workers
    private static let later = [
        "preempted", "debug call", "GC mark termination", "stopping the world", "flushing proc caches",
        "trace goroutine status", "trace proc status", "page trace flush",
    ]
    private static let coroutine = ["coroutine"]
    private static let newest = ["sync.WaitGroup.Wait (durable)", "cleanup wait"]
    /// Go 1.26 put those first that mean that a goroutine may be leaked.
    private static let reordered =
        [
            "", "GC assist marking", "IO wait", "dumping heap", "garbage collection", "garbage collection scan",
            "panicwait", "GC assist wait", "GC sweep wait", "GC scavenge wait", "finalizer wait", "force gc (idle)",
            "GOMAXPROCS updater (idle)", "semacquire", "sleep", "chan receive (nil chan)", "chan send (nil chan)",
            "select (no cases)", "select", "chan receive", "chan send", "sync.Cond.Wait",
        ] + locks + ["sync.WaitGroup.Wait"] + workers

    private static func synctest(_ kind: String) -> [String] {
        ["GC weak to strong wait", "synctest.Run", "synctest.Wait"]
            + ["chan receive", "chan send", "select"].map { "\($0) (\(kind))" }
    }

    private static func withGroup(_ names: [String]) -> [String] {
        inserting("sync.WaitGroup.Wait", after: "sync.RWMutex.Lock", in: names)
    }

    private static func withUpdater(_ names: [String]) -> [String] {
        inserting("GOMAXPROCS updater (idle)", after: "force gc (idle)", in: names)
    }

    private static func inserting(_ name: String, after before: String, in names: [String]) -> [String] {
        names.flatMap { $0 == before ? [$0, name] : [$0] }
    }
}
