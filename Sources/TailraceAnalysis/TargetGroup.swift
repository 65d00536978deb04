// SPDX-License-Identifier: MIT

/// Puts the requests of one route together: what changes from request to request is taken out of the path.
enum TargetGroup {
    /// `GET /users/17` and `GET /users/18` are both `GET /users/{n}`; a segment of 16 or more hexadecimal digits and
    /// hyphens is `{id}`.
    static func name(method: String?, target: String?) -> String {
        guard let target else { return method ?? "-" }
        let path =
            isPlain(target)
            ? target
            : target.split(separator: "/", omittingEmptySubsequences: false)
                .map(segment).joined(separator: "/")
        return method.map { $0 + " " + path } ?? path
    }

    /// Without a digit nothing can be a number or an id.
    private static func isPlain(_ target: String) -> Bool { !target.utf8.contains { (0x30...0x39).contains($0) } }

    private static func segment(_ text: Substring) -> String {
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        if isNumber { return "{n}" }
        let isID =
            text.utf8.count >= 16
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
                    || byte == 0x2d
            }
        return isID ? "{id}" : String(text)
    }
}
