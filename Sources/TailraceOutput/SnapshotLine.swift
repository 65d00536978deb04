// SPDX-License-Identifier: MIT
import FoundationEssentials
import TailraceModel

/// A snapshot between two processes of the same version: the values as they are. For programs of others there is `SnapshotJSON`.
public enum SnapshotLine {
    /// The whole of it.
    public static func bytes(_ snapshot: Snapshot) -> [UInt8] { encode(snapshot) }

    /// nil: it is none, or of another version.
    public static func snapshot(_ bytes: [UInt8]) -> Snapshot? { decode(Snapshot.self, bytes) }

    /// What is wanted, as text.
    public static func text(_ request: SnapshotRequest) -> String { String(decoding: encode(request), as: UTF8.self) }

    /// nil: it is none.
    public static func request(_ text: String) -> SnapshotRequest? { decode(SnapshotRequest.self, Array(text.utf8)) }

    private static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return (try? encoder.encode(value)).map { Array($0) } ?? []
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) -> Value? {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try? decoder.decode(type, from: Data(bytes))
    }
}
