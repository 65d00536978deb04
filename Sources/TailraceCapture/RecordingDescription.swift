// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// What a recording says of itself: enough to read it, and to say where it came from.
public struct RecordingDescription: Sendable, Equatable {
    /// Of the records: `EV_WIRE_VERSION` of `bpf/include/events.h` when it was made.
    public var wireVersion: UInt32 = EV_WIRE_VERSION
    /// Version of the tailrace that made it. Untrusted, as all text here is.
    public var version = ""
    /// Node name.
    public var host = ""
    /// `uname -r`.
    public var kernel = ""
    /// Which hooks made the marks.
    public var backend = ""
    /// What was traced.
    public var target = Target()
    /// Length of a jiffy, ns: the unit of the sockets' own clocks.
    public var jiffy: Int64 = 4_000_000
    /// Both clocks when it began.
    public var anchor = ClockAnchor(monotonic: 0, wall: 0)
    /// Where it stands among those of its run; nil: it stands alone.
    var segment: RecordingSegment?

    /// Nothing known.
    public init() {}

    /// A run that begins now on this machine.
    ///
    /// - Parameters:
    ///   - version: of this program.
    ///   - facts: of this kernel.
    ///   - backend: that was chosen.
    ///   - target: what is traced.
    public init(version: String, facts: KernelFacts, backend: Backend, target: Target) {
        self.version = version
        host = facts.host
        kernel = facts.release
        self.backend = backend.rawValue
        self.target = target
        jiffy = jiffyLength()
        anchor = ClockAnchor.now()
    }

    private enum Tag: UInt16 {
        case wireVersion = 1
        case version, host, kernel, backend, jiffy, monotonic, wall, port, pid, comm, cgroup
        case run, number, before, announced, boot
    }

    var fields: [UInt8] {
        var fields = FieldWriter()
        fields.add(Tag.wireVersion.rawValue, UInt64(wireVersion))
        fields.add(Tag.version.rawValue, version)
        fields.add(Tag.host.rawValue, host)
        fields.add(Tag.kernel.rawValue, kernel)
        fields.add(Tag.backend.rawValue, backend)
        fields.add(Tag.jiffy.rawValue, jiffy)
        fields.add(Tag.monotonic.rawValue, anchor.monotonic)
        fields.add(Tag.wall.rawValue, anchor.wall)
        for port in target.ports { fields.add(Tag.port.rawValue, UInt64(port)) }
        for pid in target.pids { fields.add(Tag.pid.rawValue, Int64(pid)) }
        for comm in target.comms { fields.add(Tag.comm.rawValue, comm) }
        for cgroup in target.cgroups { fields.add(Tag.cgroup.rawValue, cgroup) }
        if let segment {
            fields.add(Tag.run.rawValue, segment.run)
            fields.add(Tag.number.rawValue, segment.number)
            fields.add(Tag.before.rawValue, segment.before)
            fields.add(Tag.announced.rawValue, segment.announced)
            fields.add(Tag.boot.rawValue, segment.boot)
        }
        return fields.bytes
    }

    /// nil: it is no list of fields, or says nothing of the wire.
    init?(fields: UnsafeRawBufferPointer) {
        self.init()
        var (wire, monotonic, wall): (UInt64?, Int64?, Int64?)
        var segment = RecordingSegment()
        let isWhole = readFields(fields) { field in
            switch Tag(rawValue: field.tag) {
            case .run: segment.run = field.number ?? 0
            case .number: segment.number = field.number ?? 0
            case .before: segment.before = field.number ?? 0
            case .announced: segment.announced = field.number ?? 0
            case .boot: segment.boot = field.text
            case .wireVersion: wire = field.number
            case .version: version = field.text
            case .host: host = field.text
            case .kernel: kernel = field.text
            case .backend: backend = field.text
            case .jiffy: jiffy = min(max(field.signed ?? 0, 1), Self.longestJiffy)
            case .monotonic: monotonic = field.signed
            case .wall: wall = field.signed
            case .port: target.ports.append(UInt16(truncatingIfNeeded: field.number ?? 0))
            case .pid: target.pids.append(Int32(truncatingIfNeeded: field.number ?? 0))
            case .comm: target.comms.append(field.text)
            case .cgroup: target.cgroups.append(field.text)
            case nil: break
            }
        }
        guard isWhole, let wire, let anchor = ClockAnchor(recorded: monotonic, wall: wall) else { return nil }
        wireVersion = UInt32(clamping: wire)
        self.anchor = anchor
        self.segment = segment.run == 0 ? nil : segment
    }

    /// 100 ms: no kernel ticks more slowly, and products with it do not overflow.
    private static let longestJiffy: Int64 = 100_000_000
}

/// Where a recording stands among the segments of a flight recorder.
struct RecordingSegment: Sendable, Equatable {
    /// Which run of the recorder; 0: none.
    var run: UInt64 = 0
    /// Grows from segment to segment of a directory.
    var number: UInt64 = 0
    /// Records of the run that came before it, those that could not be written included, announcements not.
    var before: UInt64 = 0
    /// Its first records: connections that were open when it began, told again.
    var announced: UInt64 = 0
    /// The kernel's name for what its monotonic clock counts from.
    var boot = ""
}

extension ClockAnchor {
    /// nil: not both clocks, or times that no machine has: sums with them could overflow.
    init?(recorded monotonic: Int64?, wall: Int64?) {
        let sane: Range<Int64> = 0..<(1 << 61)
        guard let monotonic, let wall, sane.contains(monotonic), sane.contains(wall) else { return nil }
        self.init(monotonic: monotonic, wall: wall)
    }

    private enum Tag: UInt16 { case monotonic = 1, wall }

    var fields: [UInt8] {
        var fields = FieldWriter()
        fields.add(Tag.monotonic.rawValue, monotonic)
        fields.add(Tag.wall.rawValue, wall)
        return fields.bytes
    }

    init?(fields: UnsafeRawBufferPointer) {
        var (monotonic, wall): (Int64?, Int64?)
        let isWhole = readFields(fields) { field in
            switch Tag(rawValue: field.tag) {
            case .monotonic: monotonic = field.signed
            case .wall: wall = field.signed
            case nil: break
            }
        }
        guard isWhole else { return nil }
        self.init(recorded: monotonic, wall: wall)
    }
}
