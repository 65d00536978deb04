// SPDX-License-Identifier: MIT
import CProcess
import Glibc

/// The memory of one process, as it is now. Bound to the program that ran when it was opened: of a program that the same
/// process runs later nothing is read.
final class ProcessMemory {
    private enum Way {
        /// /proc/PID/mem: the kernel binds it to the program. For its own user, and who may read any file.
        case file(Int32)
        /// process_vm_readv(): takes CAP_SYS_PTRACE alone, and reads what the process runs now. /proc/PID/maps is bound to
        /// the program, and is empty once that is gone.
        case call(maps: Int32)
    }
    private let way: Way
    private let pid: Int32
    /// When the program was found to be there last, ns of the monotonic clock.
    private var confirmed: Int64 = 0
    /// So long a program that was there is taken for one that is there, ns. What a walk of a millisecond mixes of two programs
    /// is refused as implausible.
    private static let trust: Int64 = 1_000_000

    init(pid: Int32) throws(TaskError) {
        self.pid = pid
        let file = open("/proc/\(pid)/mem", O_RDONLY | O_CLOEXEC)
        guard file < 0 else {
            way = .file(file)
            return
        }
        guard errno != ENOENT else { throw TaskError(.failed, "there is no process \(pid)") }
        let refusal = errno
        let maps = refusal == EACCES ? open("/proc/\(pid)/maps", O_RDONLY | O_CLOEXEC) : -1
        // Of address 0 nothing is ever read: who may read gets EFAULT.
        guard maps >= 0, cprocess_read(pid, 0, nil, 1) < 0, errno == EFAULT else {
            if maps >= 0 { close(maps) }
            throw .step("read the memory of process \(pid)", errno: refusal)
        }
        way = .call(maps: maps)
    }

    deinit {
        switch way {
        case .file(let descriptor), .call(let descriptor): close(descriptor)
        }
    }

    /// Fills `buffer` from `address`; false: not all of it is there.
    func read(at address: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
        guard off_t(exactly: address) != nil, let start = buffer.baseAddress else { return buffer.isEmpty }
        return PendingReads.during {
            var filled = 0
            while filled < buffer.count {
                let count = read(at: address &+ UInt64(filled), start + filled, buffer.count - filled)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                filled += count
            }
            return true
        }
    }

    private func read(at address: UInt64, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
        switch way {
        case .file(let descriptor): return pread(descriptor, bytes, count, off_t(truncatingIfNeeded: address))
        case .call(let maps):
            guard isThere(maps) else { return 0 }
            return cprocess_read(pid, address, bytes, count)
        }
    }

    private func isThere(_ maps: Int32) -> Bool {
        let now = monotonic()
        if now - confirmed < Self.trust { return true }
        var byte: UInt8 = 0
        guard pread(maps, &byte, 1, 0) == 1 else { return false }
        confirmed = now
        return true
    }

    /// A number; nil: it is not there.
    func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self, at address: UInt64) -> Integer? {
        var value: Integer = 0
        return withUnsafeMutableBytes(of: &value) { read(at: address, into: $0) } ? value : nil
    }

    /// `count` numbers; nil: they are not all there.
    func integers(_ count: Int, at address: UInt64) -> [UInt64]? {
        var isRead = false
        let values = [UInt64](unsafeUninitializedCapacity: count) { buffer, filled in
            isRead = read(at: address, into: UnsafeMutableRawBufferPointer(buffer))
            filled = isRead ? count : 0
        }
        return isRead ? values : nil
    }
}

/// What the kernel says of a process in /proc.
enum ProcessFiles {
    /// A whole file; nil where it cannot be read. At most `most` bytes.
    static func content(of path: String, most: Int = 4 << 20) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while content.count < most {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            content.append(contentsOf: buffer[..<count])
        }
        return content
    }

    /// As text, without the line break at its end.
    static func text(of path: String) -> String? {
        content(of: path).map { String(decoding: $0.last == 0x0a ? $0.dropLast() : $0[...], as: UTF8.self) }
    }

    /// Where a symbolic link points.
    static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.bindMemory(to: CChar.self).baseAddress.map { readlink(path, $0, bytes.count) } ?? -1
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// Names in a directory, `most` of them; nil where it cannot be read.
    static func names(in path: String, most: Int) -> [String]? {
        guard let directory = opendir(path) else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while names.count < most, let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Files that are mapped from their first byte on: path and address, in the order of addresses.
    static func mappedFiles(of pid: Int32) -> [(path: String, address: UInt64)] {
        guard let maps = text(of: "/proc/\(pid)/maps") else { return [] }
        return maps.split(separator: "\n").compactMap { line in
            // ADDRESS-ADDRESS RIGHTS OFFSET DEVICE INODE PATH, and the path may have spaces.
            let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard words.count == 6, words[2].allSatisfy({ $0 == "0" }), words[4] != "0",
                let address = words[0].split(separator: "-").first.flatMap({ UInt64($0, radix: 16) })
            else { return nil }
            return (String(words[5].drop { $0 == " " }), address)
        }
    }
}

/// What a process is called.
public enum TaskProcess {
    /// The kernel's name of it; nil: it is gone. Untrusted.
    public static func name(of pid: Int32) -> String? { ProcessFiles.text(of: "/proc/\(pid)/comm") }
}
