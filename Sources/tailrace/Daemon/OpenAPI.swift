// SPDX-License-Identifier: MIT
import CSchema

/// What the daemon's socket serves, described for programs.
enum OpenAPI {
    /// Whole by itself: what the file takes from the schema beside it is among its own components here.
    static let document = inlined(text(of: tailrace_openapi), with: text(of: tailrace_json_schema))
    /// Of what commands write, and what is in it.
    static let schema = Array(text(of: tailrace_json_schema).utf8)

    private static func text(of document: schema_document) -> String {
        String(decoding: UnsafeBufferPointer(start: document.bytes, count: document.size), as: UTF8.self)
    }

    /// The definitions are the last of the schema, and no name of theirs is one of the components': tests hold both.
    private static func inlined(_ document: String, with schema: String) -> [UInt8] {
        let own = "#/components/schemas/"
        let begin = "\"schemas\": {"
        guard let definitions = schema.firstRange(of: "\"$defs\": {"), let place = document.firstRange(of: begin) else {
            return Array(document.utf8)
        }
        var inner = schema[definitions.upperBound...]
        // The two that end them and the schema.
        for _ in 0..<2 { inner = inner[..<(inner.lastIndex(of: "}") ?? inner.startIndex)] }
        return Array(
            (document[..<place.upperBound] + inner.replacing("\"#/$defs/", with: "\"" + own) + ","
                + document[place.upperBound...])
                .replacing("\"tailrace-1.schema.json#/$defs/", with: "\"" + own).utf8)
    }
}
