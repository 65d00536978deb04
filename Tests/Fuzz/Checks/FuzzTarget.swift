// SPDX-License-Identifier: MIT

/// What takes bytes that nobody vouches for. A name is also that of a directory of the corpus.
enum FuzzTarget: String, CaseIterable {
    /// Records as the ring holds them, one behind the other.
    case records
    /// A recording.
    case recording
    /// Reads and send calls, as `Pieces` says.
    case heads
    /// Choices for a conversation that is full of secrets.
    case secrets
    /// A body in chunks.
    case chunks
    /// An executable that somebody else wrote.
    case image
    /// Text for a terminal.
    case text
    /// What a client of the service asks for, and where a collector is.
    case targets
    /// What a client sends on a connection, in pieces.
    case requests

    /// What is wrong with what is made of `bytes`; nil: nothing.
    func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        switch self {
        case .records: RecordsCheck.wrong(with: bytes)
        case .recording: RecordingCheck.wrong(with: bytes)
        case .heads: HeadsCheck.wrong(with: bytes)
        case .secrets: SecretsCheck.wrong(with: bytes)
        case .chunks: ChunksCheck.wrong(with: bytes)
        case .image: ImageCheck.wrong(with: bytes)
        case .text: TextCheck.wrong(with: bytes)
        case .targets: TargetsCheck.wrong(with: bytes)
        case .requests: RequestsCheck.wrong(with: bytes)
        }
    }
}
