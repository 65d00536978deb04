// SPDX-License-Identifier: MIT
import CSchema

/// What the daemon's socket serves, described for programs.
enum OpenAPI {
    static let document = bytes(of: tailrace_openapi)
    /// To which it refers.
    static let schema = bytes(of: tailrace_json_schema)

    private static func bytes(of document: schema_document) -> [UInt8] {
        Array(UnsafeBufferPointer(start: document.bytes, count: document.size))
    }
}
