// SPDX-License-Identifier: MIT
import TailraceModel
import Traffic

@testable import TailraceAnalysis

/// A conversation that is full of secrets, made of the choices that the bytes are: no six characters of one are kept, no
/// length changes, and nothing is remembered of a connection that is gone.
enum SecretsCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        guard let first = bytes.first else { return nil }
        let kind: Conversation.Kind = first & 1 == 0 ? .plain : .treacherous
        let conversation = Conversation(choices: ChosenBytes(bytes.dropFirst()), kind)
        var redactor = HeadRedactor()
        for event in conversation.events {
            if let wrong = wrong(with: event, &redactor) { return wrong }
        }
        return redactor.remembered == 0 ? nil : "\(redactor.remembered) connections are remembered"
    }

    private static func wrong(with event: Conversation.Event, _ redactor: inout HeadRedactor) -> String? {
        switch event {
        case .read(let bytes, let count, let sequenceEnd, let isFirst, _):
            var read = RequestRead()
            (read.socket, read.bytes, read.sequenceEnd, read.isFirst) = (7, Int64(count), sequenceEnd, isFirst)
            return GuardedBytes.with(bytes) {
                redactor.redactRequest($0, of: read)
                return leak(in: $0, of: bytes)
            }
        case .sent(let bytes, let sequence, let callBytes, let isEnding):
            var sent = SentHead()
            (sent.socket, sent.sequence, sent.callBytes, sent.isEnding) = (7, sequence, callBytes, isEnding)
            return GuardedBytes.with(bytes) {
                redactor.redactResponse($0, of: sent)
                return leak(in: $0, of: bytes)
            }
        case .flush(_, _, let tail, _, _):
            return withUnsafeBytes(of: redactor.redactTail(tail)) { kept in
                withUnsafeBytes(of: tail) { leak(in: kept, of: Array($0)) }
            }
        case .closed:
            redactor.forget(socket: 7)
            return nil
        }
    }

    private static let secret = Array(Conversation.secret.utf8)
    private static let longest = 6

    private static func leak(in kept: some Sequence<UInt8>, of original: [UInt8]) -> String? {
        let kept = Array(kept)
        for place in kept.indices.dropLast(longest - 1) where secret.contains(kept[place]) {
            let piece = kept[place..<(place + longest)]
            for start in 0...(secret.count - longest) where piece.elementsEqual(secret[start..<(start + longest)]) {
                return "a secret is kept: \(String(decoding: kept, as: UTF8.self).debugDescription) of "
                    + String(decoding: original, as: UTF8.self).debugDescription
            }
        }
        return nil
    }
}
