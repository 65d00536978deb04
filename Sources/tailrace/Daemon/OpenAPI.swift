// SPDX-License-Identifier: MIT
import CSchema

/// What the daemon's socket serves, described for programs.
enum OpenAPI {
    static let document = Array(UnsafeBufferPointer(start: tailrace_openapi.bytes, count: tailrace_openapi.size))
}
