// SPDX-License-Identifier: MIT
import Glibc

/// The machine's groups, read by hand: the C library's way asks services that a static program does not have.
public enum GroupFile {
    private static let mostBytes = 1 << 20

    /// The number of the group with this name; nil: there is none, or the file is not readable.
    public static func number(of name: String, in path: String = "/etc/group") -> UInt32? {
        text(of: path).flatMap { number(of: name, text: $0) }
    }

    /// Lines are `name:password:number:members`.
    static func number(of name: String, text: String) -> UInt32? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 3, fields[0] == name, let number = UInt32(fields[2]) { return number }
        }
        return nil
    }

    private static func text(of path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 14)
        while bytes.count < mostBytes {
            let count = read(file, &piece, piece.count)
            guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
            bytes.append(contentsOf: piece.prefix(count))
        }
        return nil
    }
}
