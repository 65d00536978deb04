// SPDX-License-Identifier: MIT
import CLibbpf
import CProbes
import Glibc
import TailraceModel

/// The programs in the kernel, and the ring through which they tell. Used from one thread.
public final class KernelSource {
    /// Which hooks are used.
    public let backend: Backend
    /// Size of the ring of events where nobody says otherwise.
    public static let defaultRingBytes: UInt32 = 16 << 20

    let object: OpaquePointer
    /// Whether the time inside the kernel's functions is measured.
    let timesFunctions: Bool
    private var links: [OpaquePointer] = []
    /// Names of the programs that are on their hooks.
    public private(set) var attached: [String] = []
    private var ring: EventRing?
    private let ringBytes: UInt32
    private var decoder: Decoder
    private var handler: ((KernelEvent) -> Void)?
    private var delivered: UInt64 = 0
    private var undecodable: UInt64 = 0
    /// Bytes that the iterator in progress wrote.
    private var iterated = 0
    let targets: TargetMap
    /// Blanks a record before anybody sees it.
    var curtain: Curtain?
    /// Sees every record, for recordings. Set before the first drain.
    public var tap: (any RecordTap)? {
        didSet { decoder.processes.found = { [weak tap] in tap?.found($0) } }
    }

    /// Loads the programs for `target`; nothing runs yet.
    ///
    /// - Parameters:
    ///   - target: what to trace; filtered in the kernel.
    ///   - facts: what the kernel allows.
    ///   - wanted: the backend to use; nil: the best that the facts allow.
    ///   - timesFunctions: whether the time inside the kernel's functions is measured; needs the backend `fentry`.
    ///   - ringBytes: size of the ring, a power of two and a multiple of the page size.
    ///   - socketLimit: connections that are followed at once; those beyond are counted.
    ///   - objectFile: another object than the embedded one, for measurements only.
    /// - Throws: `CaptureError`, one sentence.
    public init(
        target: Target, facts: KernelFacts, backend wanted: Backend? = nil, timesFunctions: Bool = false,
        ringBytes: UInt32 = defaultRingBytes, socketLimit: UInt32 = 1 << 16, objectFile: [UInt8]? = nil
    ) throws(CaptureError) {
        backend = try Backend.choose(for: facts, wanted: wanted)
        if timesFunctions, backend != .fentry {
            let reason = Backend.fentry.obstacle(in: facts) ?? "the backend \(backend.rawValue) was asked for"
            throw CaptureError(
                .unsupported, "the time inside functions needs hooks on them (backend fentry): \(reason)")
        }
        self.timesFunctions = timesFunctions
        let probes = ProbeSet(backend, facts: facts, timesFunctions: timesFunctions)
        clibbpf_quiet()
        let opened = objectFile.map { file in file.withUnsafeBytes { clibbpf_open($0.baseAddress, $0.count, "probes") }
        }
        let bytes = tailrace_probe_object
        guard let object = opened ?? clibbpf_open(bytes.bytes, bytes.size, "probes") else {
            throw CaptureError.step("read the probe object", errno: errno, detail: String(cString: clibbpf_warning()))
        }
        self.object = object
        self.ringBytes = ringBytes
        decoder = Decoder(jiffy: jiffyLength(), processes: ProcessLookup())
        var settings = ev_settings(socket_limit: socketLimit, hooks: probes.hooks)
        targets = TargetMap(target, in: object)
        bpf_map__set_initial_value(
            bpf_object__find_map_by_name(object, ".rodata"), &settings, MemoryLayout<ev_settings>.size)
        bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "events"), ringBytes)
        if !timesFunctions {
            for map in TimedFunction.maps {
                bpf_map__set_autocreate(bpf_object__find_map_by_name(object, map), false)
            }
        }
        for program in Programs(of: object) {
            bpf_program__set_autoload(program, probes.programs.contains(name(of: program)))
        }
        let result = bpf_object__load(object)
        // On an error the object is closed by deinit: everything is initialized by now.
        guard result == 0 else {
            throw CaptureError.step("load the probes", errno: -result, detail: String(cString: clibbpf_warning()))
        }
        try targets.map(of: object)
    }

    deinit {
        detach()
        ring = nil
        bpf_object__close(object)
    }

    /// From its return on, nothing that happens is missed.
    public func attach() throws(CaptureError) {
        if ring == nil { try openRing() }
        for program in Programs(of: object) where bpf_program__autoload(program) && !isIterator(program) {
            clibbpf_quiet()
            guard let link = bpf_program__attach(program) else {
                let code = errno
                detach()
                throw CaptureError.step(
                    "attach \(name(of: program))", errno: code, detail: String(cString: clibbpf_warning()))
            }
            links.append(link)
            attached.append(name(of: program))
        }
    }

    private func isIterator(_ program: OpaquePointer) -> Bool {
        bpf_program__section_name(program).map { String(cString: $0).hasPrefix("iter/") } ?? false
    }

    /// Finds the connections that are open already, in every network namespace: from now on they are followed too. To be
    /// called after `attach`, so that none falls between.
    public func adopt() throws(CaptureError) {
        for program in ["on_listener", "on_adopt"] { try iterate(program) }
    }

    /// One look at every traced socket: a `SocketSample` each, then the end of the round.
    public func sample(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) {
        var round = ev_round()
        round.begin_ns = UInt64(readClock(CLOCK_MONOTONIC))
        drain(handle)
        try iterate("on_sample", over: Self.sockets, handle)
        round.header.at_ns = UInt64(readClock(CLOCK_MONOTONIC))
        round.header.kind = UInt16(EV_ROUND.rawValue)
        round.header.size = UInt16(MemoryLayout<ev_round>.size)
        handler = handle
        defer { handler = nil }
        withUnsafeBytes(of: &round) { takeAll($0) }
    }

    /// The flushes that are still on their way, as they stand.
    public func snapshot(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) {
        try iterate("on_snapshot", over: Self.sockets, handle)
    }

    /// The map of the sockets that are traced.
    static let sockets = "sockets"

    /// Runs an iterator over a map, or over everything of its kind; what it writes is handled. Returns how many bytes it wrote.
    @discardableResult
    func iterate(
        _ name: String, over map: String? = nil, _ handle: ((KernelEvent) -> Void)? = nil
    ) throws(CaptureError) -> Int {
        guard let program = bpf_object__find_program_by_name(object, name) else { return 0 }
        let descriptor = map.map { bpf_object__find_map_fd_by_name(object, $0) } ?? -1
        // As large as what the kernel writes at once: a record is never cut.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
        defer { buffer.deallocate() }
        let context = Unmanaged.passUnretained(self).toOpaque()
        iterated = 0
        handler = handle
        defer { handler = nil }
        let result = clibbpf_iterate(
            program, descriptor, buffer.baseAddress, buffer.count,
            { context, bytes, count in
                guard let context, let bytes else { return }
                let source = Unmanaged<KernelSource>.fromOpaque(context).takeUnretainedValue()
                source.takeAll(UnsafeRawBufferPointer(start: bytes, count: count))
            }, context)
        if result < 0 { throw CaptureError.step("read the sockets", errno: -result, detail: "") }
        return iterated
    }

    /// What an iterator wrote: record after record, as long as each says.
    private func takeAll(_ bytes: UnsafeRawBufferPointer) {
        iterated += bytes.count
        var rest = bytes[...]
        while rest.count >= MemoryLayout<ev_header>.size {
            let header = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: ev_header.self)
            let size = Int(header.size)
            guard size >= MemoryLayout<ev_header>.size, size <= rest.count else { break }
            hand(UnsafeRawBufferPointer(rebasing: rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
    }

    /// Takes every program off its hook; what is in the ring can still be drained.
    public func detach() {
        for link in links { bpf_link__destroy(link) }
        links.removeAll(keepingCapacity: true)
        attached = []
    }

    private func openRing() throws(CaptureError) {
        ring = EventRing(descriptor: bpf_object__find_map_fd_by_name(object, "events"), size: Int(ringBytes))
        guard ring != nil else { throw CaptureError.step("map the ring of events", errno: errno, detail: "") }
    }

    private func take(_ record: UnsafeRawBufferPointer) {
        delivered += 1
        hand(record)
    }

    private func hand(_ record: UnsafeRawBufferPointer) {
        guard let curtain, let wire = WireRecord(record) else { return tell(record) }
        withUnsafeTemporaryAllocation(byteCount: wire.length, alignment: 8) { place in
            curtain(wire, record, place)
            tell(UnsafeRawBufferPointer(place))
        }
    }

    private func tell(_ record: UnsafeRawBufferPointer) {
        tap?.take(record)
        if let event = decoder.decode(record) { handler?(event) } else { undecodable += 1 }
    }

    /// Hands every record in the ring to `handle`, in order of arrival, without waiting.
    ///
    /// - Returns: how many there were.
    @discardableResult
    public func drain(_ handle: @escaping (KernelEvent) -> Void) -> Int {
        handler = handle
        defer { handler = nil }
        return ring?.drain { take($0) } ?? 0
    }

    /// The kernel side's counters against what arrived here.
    public func loss() -> Loss {
        var loss = Loss()
        loss.delivered = delivered
        loss.undecodable = undecodable
        let kinds: [(ev_kind, String)] = [
            (EV_SOCKET, "sockets"), (EV_READ, "reads"), (EV_HEAD, "heads"), (EV_FLUSH, "flushes"),
            (EV_STATE, "states"),
        ]
        for counters in perProcessorCounters() {
            withUnsafeBytes(of: counters.made) { made in
                withUnsafeBytes(of: counters.lost) { lost in
                    for (kind, name) in kinds {
                        let offset = Int(kind.rawValue) * 8
                        loss.made += made.load(fromByteOffset: offset, as: UInt64.self)
                        loss.lost[name, default: 0] += lost.load(fromByteOffset: offset, as: UInt64.self)
                    }
                }
            }
            loss.untracked += counters.untracked
            loss.adopted += counters.adopted
            loss.untrackedMPTCP += counters.untracked_mptcp
            loss.merged += counters.merged
            loss.headsUnread += counters.heads_unread
        }
        loss.missed = ProbeSet.eventsMissed(
            Dictionary(programs().map { ($0.name, $0.misses) }, uniquingKeysWith: { first, _ in first }))
        return loss
    }

    private func perProcessorCounters() -> [ev_counters] {
        let processors = Int(max(1, libbpf_num_possible_cpus()))
        var values = [ev_counters](repeating: ev_counters(), count: processors)
        var key: UInt32 = 0
        let map = bpf_object__find_map_fd_by_name(object, "counters")
        return bpf_map_lookup_elem(map, &key, &values) == 0 ? values : []
    }

    /// One loaded program, as the kernel accounts for it.
    public struct Program: Sendable {
        /// As in `bpftool prog`.
        public let name: String
        /// Firings that the kernel skipped: the program was already running on that CPU.
        public let misses: UInt64
        /// Only counted while `kernel.bpf_stats_enabled` is 1.
        public let runs: UInt64
        /// Only counted while `kernel.bpf_stats_enabled` is 1.
        public let runNanoseconds: UInt64
        /// Instructions that the verifier walked through.
        public let verifiedInstructions: UInt32
    }

    /// Every loaded program.
    public func programs() -> [Program] {
        Programs(of: object).compactMap { program in
            var info = bpf_prog_info()
            guard clibbpf_program_info(bpf_program__fd(program), &info) == 0 else { return nil }
            return Program(
                name: name(of: program), misses: info.recursion_misses, runs: info.run_cnt,
                runNanoseconds: info.run_time_ns, verifiedInstructions: info.verified_insns)
        }
    }
}

/// The programs of an object, in its order.
private struct Programs: Sequence, IteratorProtocol {
    private let object: OpaquePointer
    private var program: OpaquePointer?

    init(of object: OpaquePointer) { self.object = object }

    mutating func next() -> OpaquePointer? {
        program = bpf_object__next_program(object, program)
        return program
    }
}

private func name(of program: OpaquePointer) -> String {
    bpf_program__name(program).map { String(cString: $0) } ?? "?"
}
