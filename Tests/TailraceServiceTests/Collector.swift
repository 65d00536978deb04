// SPDX-License-Identifier: MIT
import CService
import Glibc
import NIOConcurrencyHelpers

@testable import TailraceService

/// Takes posts, one at a time, and says to each what the script says: bytes as they are, or none at all.
final class Collector: Sendable {
    struct Post: Sendable {
        var head: String
        var body: [UInt8]
    }

    enum Reply: Sendable {
        case status(Int, fields: String = "", body: String = "{}")
        case bytes(String)
        /// The connection stays, for so long.
        case silence(seconds: Double)
    }

    let port: Int
    private let listener: RemoteListener
    private let posts = NIOLockedValueBox<[Post]>([])

    /// `script`: by the number of the post, from 0.
    init(port: Int = 0, _ script: @escaping @Sendable (Int) -> Reply) throws {
        listener = try RemoteListener(address: "127.0.0.1", port: port)
        self.port = listener.port
        let (socket, posts) = (listener.socket, posts)
        TestThread.start {
            while true {
                let client = accept(socket, nil, nil)
                guard client >= 0 else { return }
                Self.serve(client, posts, script)
                close(client)
            }
        }
    }

    deinit { stop() }

    func stop() { shutdown(listener.socket, CInt(SHUT_RDWR)) }

    var received: [Post] { posts.withLockedValue { $0 } }

    private static func serve(
        _ client: CInt, _ posts: NIOLockedValueBox<[Post]>, _ script: @Sendable (Int) -> Reply
    ) {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        var post: Post?
        while post == nil {
            let count = recv(client, &piece, piece.count, 0)
            guard count > 0 else { return }
            bytes.append(contentsOf: piece.prefix(count))
            post = whole(bytes)
        }
        guard let post else { return }
        let number = posts.withLockedValue { posts in
            posts.append(post)
            return posts.count - 1
        }
        let reply: String
        switch script(number) {
        case .status(let status, let fields, let body):
            reply = "HTTP/1.1 \(status) Said\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        case .bytes(let text): reply = text
        case .silence(let seconds):
            usleep(useconds_t(seconds * 1_000_000))
            return
        }
        let out = Array(reply.utf8)
        _ = out.withUnsafeBytes { Glibc.send(client, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
    }

    private static func whole(_ bytes: [UInt8]) -> Post? {
        let end = Array("\r\n\r\n".utf8)
        guard bytes.count >= 4,
            let place = (0...(bytes.count - 4)).first(where: { bytes[$0..<($0 + 4)].elementsEqual(end) })
        else { return nil }
        let head = String(decoding: bytes[..<place], as: UTF8.self)
        let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length: ") }
        guard let count = length.flatMap({ Int($0.dropFirst(16)) }), bytes.count >= place + 4 + count else {
            return nil
        }
        return Post(head: head, body: Array(bytes[(place + 4)..<(place + 4 + count)]))
    }
}
