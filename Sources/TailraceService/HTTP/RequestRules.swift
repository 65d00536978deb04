// SPDX-License-Identifier: MIT
import NIOHTTP1

/// What is served at all: everything else is refused before anybody is asked.
enum RequestRules {
    enum Verdict: Equatable {
        case taken(RequestTarget)
        /// Understood, and not served there: the client may go on.
        case absent(Answer)
        /// Not understood: the client is parted from.
        case malformed(Answer)
    }

    /// `paths`: the only ones that are served there; nil: all are the taker's.
    static func verdict(on head: HTTPRequestHead, paths: Set<String>?) -> Verdict {
        if head.version.major != 1 { return malformed(505, "only HTTP/1.0 and HTTP/1.1 are served here") }
        guard head.method == .GET || head.method == .HEAD else {
            return malformed(405, "only GET and HEAD are served here: nothing can be changed")
        }
        if head.headers.contains(name: "transfer-encoding")
            || head.headers["content-length"].contains(where: { $0 != "0" })
        {
            return malformed(413, "a request has no body here")
        }
        if head.version == .http1_1, head.headers["host"].count != 1 {
            return malformed(400, "a request of HTTP/1.1 has one Host field; send one, it may be empty")
        }
        guard let target = RequestTarget(head.uri) else {
            return malformed(
                400,
                "the target is not understood: send a path like /v1/health?name=value, with %XX for what is not plain, "
                    + "and no name twice")
        }
        if let paths, !paths.contains(target.path) {
            let known = paths.sorted().joined(separator: ", ")
            return .absent(Answer(refusal: 404, "over TCP there are only \(known); the rest is on the unix socket"))
        }
        return .taken(target)
    }

    private static func malformed(_ status: Int, _ sentence: String) -> Verdict {
        .malformed(Answer(refusal: status, sentence))
    }
}
