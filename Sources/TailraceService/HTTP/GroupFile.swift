// SPDX-License-Identifier: MIT

/// The machine's groups, read by hand: the C library's way asks services that a static program does not have.
public enum GroupFile {
    /// The number of the group with this name; nil: there is none, or the file is not readable.
    public static func number(of name: String, in path: String = "/etc/group") -> UInt32? {
        SmallFile.text(of: path).flatMap { number(of: name, text: $0) }
    }

    /// What the group of this number is called; nil: there is none, or the file is not readable.
    public static func name(of number: UInt32, in path: String = "/etc/group") -> String? {
        for line in SmallFile.text(of: path)?.split(separator: "\n") ?? [] {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 3, UInt32(fields[2]) == number { return String(fields[0]) }
        }
        return nil
    }

    /// Lines are `name:password:number:members`.
    static func number(of name: String, text: String) -> UInt32? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 3, fields[0] == name, let number = UInt32(fields[2]) { return number }
        }
        return nil
    }
}
