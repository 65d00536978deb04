// SPDX-License-Identifier: MIT
import TailraceModel

/// A reply as a whole.
struct Answer: Sendable, Equatable {
    static let json = "application/json"
    static let unanswered = Answer(
        refusal: 503, "the service let go of this request without an answer; ask again, and report it if it stays so")

    var status: Int
    var type: String
    var bytes: [UInt8]

    init(status: Int, type: String, bytes: [UInt8]) {
        (self.status, self.type, self.bytes) = (status, type, bytes)
    }

    /// `{"error": sentence}`.
    init(refusal status: Int, _ sentence: String) {
        var bytes = Array(#"{"error":""#.utf8)
        Sanitizer.escape(sentence, into: &bytes, longest: .max)
        bytes.append(contentsOf: "\"}\n".utf8)
        self.init(status: status, type: Self.json, bytes: bytes)
    }
}
