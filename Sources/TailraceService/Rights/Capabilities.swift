// SPDX-License-Identifier: MIT
import CService
import Glibc

/// What this process may, thread by thread, and how it gives that up.
public enum Capabilities {
    /// The five sets of a thread.
    public struct OfThread: Sendable, Equatable {
        /// What it may now.
        public var effective: CapabilitySet = []
        /// What it may take.
        public var permitted: CapabilitySet = []
        /// What programs that it starts may inherit.
        public var inheritable: CapabilitySet = []
        /// What they do inherit.
        public var ambient: CapabilitySet = []
        /// What they may have at most.
        public var bounding: CapabilitySet = []
        /// Programs that it starts get no more rights than it has.
        public var isConfined = false

        /// Whether it may nothing, and can never again: without rights to be gained, what bounds them does not matter.
        public var isPowerless: Bool {
            let own = effective.union(permitted).union(inheritable).union(ambient)
            return own.isEmpty && (bounding.isEmpty || isConfined)
        }
    }

    /// What the calling thread may now, by name.
    public static func current() -> Set<String> { ofThisThread()?.effective.names ?? [] }

    /// Of every thread of the process, by its number.
    public static func ofThreads() -> [Int32: OfThread] {
        var threads: [Int32: OfThread] = [:]
        for name in SmallFile.names(in: "/proc/self/task") {
            // One may end meanwhile.
            guard let number = Int32(name), let status = SmallFile.text(of: "/proc/self/task/\(name)/status") else {
                continue
            }
            threads[number] = OfThread(status: status)
        }
        return threads
    }

    /// Gives up everything for ever, also for programs that are started from here. To be called while there is one thread: others
    /// keep what they have, and that is an error here.
    public static func dropAll() throws(ServiceError) { try keep([]) }

    /// The same, but for these, which this process must have.
    public static func keep(_ kept: CapabilitySet) throws(ServiceError) {
        let threads = SmallFile.names(in: "/proc/self/task").count
        guard threads == 1 else {
            throw ServiceError(
                "cannot drop capabilities: there are \(threads) threads, and each would have to; report it")
        }
        try keepInThisThread(kept)
    }

    static func keepInThisThread(_ kept: CapabilitySet) throws(ServiceError) {
        guard let before = ofThisThread() else {
            throw ServiceError("cannot drop capabilities: /proc/thread-self/status is not readable; is /proc mounted?")
        }
        let missing = kept.subtracting(before.permitted)
        guard missing.isEmpty else {
            throw ServiceError("cannot keep \(missing): this process does not have it; start it with it, or as root")
        }
        // Who may not change the bound cannot gain by it either: that is what the next line is for.
        for number in before.bounding.subtracting(kept).numbers { _ = cservice_unbind(CInt(number)) }
        guard cservice_no_new_privileges() == 0 else {
            throw .call("cannot forbid new privileges", advice: "this needs Linux 3.5")
        }
        _ = cservice_clear_ambient()
        guard cservice_keep(kept.rawValue) == 0 else { throw .call("cannot drop capabilities", advice: "report it") }
        let after = ofThisThread()
        guard let after, after.effective == kept, after.permitted == kept, after.inheritable.isEmpty,
            after.ambient.isEmpty, after.isConfined
        else {
            throw ServiceError(
                "capabilities are still there after they were dropped: \(String(describing: after)); report it")
        }
    }

    static func ofThisThread() -> OfThread? {
        SmallFile.text(of: "/proc/thread-self/status").map { OfThread(status: $0) }
    }
}

extension Capabilities.OfThread {
    /// A file /proc/PID/task/TID/status.
    init(status: String) {
        for line in status.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
            guard words.count == 2 else { continue }
            let set = CapabilitySet(hexadecimal: words[1]) ?? []
            switch words[0] {
            case "CapEff": effective = set
            case "CapPrm": permitted = set
            case "CapInh": inheritable = set
            case "CapAmb": ambient = set
            case "CapBnd": bounding = set
            case "NoNewPrivs": isConfined = words[1] == "1"
            default: break
            }
        }
    }
}
