// SPDX-License-Identifier: MIT

/// Nanoseconds of CLOCK_MONOTONIC, the kernel side's clock; 0: not known.
public typealias Nanoseconds = Int64

/// An IP address and port. IPv4 mapped into IPv6 (`::ffff:a.b.c.d`) is IPv4: that is what is on the wire.
public struct Endpoint: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    /// Network byte order; IPv4 in the last four, as ::ffff:a.b.c.d.
    private let high: UInt64
    private let low: UInt64
    /// Host byte order.
    public let port: UInt16

    /// From 16 address bytes; for IPv4 the first four count.
    public init(ipv4: Bool, bytes: (UInt64, UInt64), port: UInt16) {
        self.port = port
        if ipv4 {
            high = 0
            low = 0x0000_ffff_0000_0000 | UInt64(UInt32(truncatingIfNeeded: UInt64(littleEndian: bytes.0)).byteSwapped)
        } else {
            high = UInt64(bigEndian: bytes.0)
            low = UInt64(bigEndian: bytes.1)
        }
    }

    private init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// IPv4, plain or mapped.
    public var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }

    /// The same address with port 0: all connections of one peer share it.
    public var host: Endpoint { Endpoint(high: high, low: low, port: 0) }

    /// The address alone: `127.0.0.1`, `::1` (RFC 5952).
    public var address: String {
        guard isIPv4 else { return ipv6 }
        return "\((low >> 24) & 255).\((low >> 16) & 255).\((low >> 8) & 255).\(low & 255)"
    }

    /// `127.0.0.1:80`, `[::1]:80`.
    public var description: String { isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }

    /// By address, then by port.
    public static func < (left: Endpoint, right: Endpoint) -> Bool {
        (left.high, left.low, left.port) < (right.high, right.low, right.port)
    }

    private var ipv6: String {
        let groups = (0..<8).map { index in
            UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - 16 * (index % 4)))
        }
        // The longest run of zero groups, two at least, becomes "::".
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        let hex = { (range: Range<Int>) in groups[range].map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty ? hex(0..<8) : hex(0..<best.lowerBound) + "::" + hex(best.upperBound..<8)
    }
}

/// A process that serves: its id is reused, so it is identified together with its start. A class, because it is named by
/// every one of its responses and never changes.
public final class Server: Codable, Sendable {
    /// Process id in the initial namespace.
    public let pid: Int32
    /// Start of the process, ns of CLOCK_BOOTTIME.
    public let started: Nanoseconds
    /// The kernel's name of it: up to 15 bytes, chosen by the process. Untrusted.
    public let comm: String
    /// Path of its executable; nil where it could not be read. Untrusted.
    public let executable: String?
    /// Path of its cgroup v2, or the id in angle brackets where the path is not known.
    public let cgroup: String?
    /// That it runs in; nil: none, or not known.
    public let container: Container?

    /// All that is known of it.
    public init(
        pid: Int32, started: Nanoseconds, comm: String, executable: String?, cgroup: String?,
        container: Container? = nil
    ) {
        self.pid = pid
        self.started = started
        self.comm = comm
        self.executable = executable
        self.cgroup = cgroup
        self.container = container
    }
}

/// One accepted TCP connection.
public struct Connection: Codable, Sendable {
    /// The kernel's socket cookie: never reused while the machine runs.
    public let cookie: UInt64
    /// The server's side.
    public let local: Endpoint
    /// The client's side.
    public let remote: Endpoint
    /// When it was established; 0: before tracing began.
    public let established: Nanoseconds

    /// All of it.
    public init(cookie: UInt64, local: Endpoint, remote: Endpoint, established: Nanoseconds) {
        self.cookie = cookie
        self.local = local
        self.remote = remote
        self.established = established
    }
}
