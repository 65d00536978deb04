// SPDX-License-Identifier: MIT
import Glibc
import TailraceCapture
import TailraceModel
import TailraceService

/// Asks a daemon on its socket: HTTP/1.1, one question a connection.
struct DaemonClient {
    /// Where it is where nobody says otherwise.
    static let standardSocket = DaemonConfiguration().socket

    /// Path of its socket.
    let path: String
    /// What a reply may be at most, and its head, bytes.
    private static let (mostBytes, mostHead) = (64 << 20, 16 << 10)
    /// How long a reply may take, s.
    private static let patience = 10

    /// The beginning of a reply: what follows comes from `descriptor`, which is the caller's.
    struct Reply {
        let descriptor: Int32
        let status: Int
        let isChunked: Bool
        let length: Int?
        var body: [UInt8]
    }

    /// Whether there is a socket that this user could be meant to use: also in a directory that is closed to who is not in
    /// the group, and is told so.
    var isThere: Bool { access(path, F_OK) == 0 || errno == EACCES }

    /// The whole body.
    ///
    /// - Throws: `Failure` or `ExitFailure`: nobody answers, this user may not, or what is wrong with the question.
    func get(_ target: String) throws -> [UInt8] {
        var reply = try ask(target)
        defer { close(reply.descriptor) }
        let bytes = try body(of: &reply)
        guard reply.status == 200 else { throw refusal(reply.status, bytes) }
        return bytes
    }

    /// A body that comes in pieces, in HTTP's chunks.
    func stream(_ target: String) throws -> Reply {
        var reply = try ask(target)
        guard reply.status == 200, reply.isChunked else {
            defer { close(reply.descriptor) }
            throw refusal(reply.status, try body(of: &reply))
        }
        return reply
    }

    private func refusal(_ status: Int, _ body: [UInt8]) -> any Error {
        let text = Sanitizer.visible(String(decoding: body, as: UTF8.self), longest: 300)
        // `{"error":"SENTENCE"}`.
        let sentence = text.split(separator: "\"", omittingEmptySubsequences: false).dropFirst(3).first.map(String.init)
        let words = "the daemon at \(path) says: \(sentence ?? text) (HTTP \(status))"
        return status == 403 ? ExitFailure(code: 77, description: words) : Failure(words)
    }

    private func ask(_ target: String) throws -> Reply {
        let descriptor = try connected()
        do {
            let request = "GET \(target) HTTP/1.1\r\nHost: tailrace\r\nUser-Agent: tailrace/\(Tailrace.version)\r\n\r\n"
            guard Output.write(Array(request.utf8), to: descriptor) else { throw silence() }
            return try head(descriptor)
        } catch {
            close(descriptor)
            throw error
        }
    }

    private func connected() throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure("cannot make a socket: \(String(cString: strerror(errno)))") }
        var time = timeval(tv_sec: Self.patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isLong = withUnsafeMutableBytes(of: &address.sun_path) { room in
            room.copyBytes(from: path.utf8.prefix(room.count - 1))
            return path.utf8.count >= room.count
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0, !isLong else {
            let code = isLong ? ENAMETOOLONG : errno
            close(descriptor)
            throw unreachable(code)
        }
        return descriptor
    }

    private func unreachable(_ code: Int32) -> any Error {
        let why = "cannot ask the daemon at \(Sanitizer.visible(path)): \(String(cString: strerror(code)))"
        switch code {
        case EACCES, EPERM:
            return ExitFailure(
                code: 77,
                description: why
                    + "; be in the daemon's group (as root: usermod -aG \(group) USER, then log in again), or run tailrace as root"
            )
        case ENOENT, ECONNREFUSED:
            return Failure(why + "; start it (systemctl start tailrace), or run as root without it")
        default: return Failure(why + "; see that it is at work")
        }
    }

    /// As whose members users may ask: of the directory, or of the socket; what is standard where neither is told.
    private var group: String {
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        for file in [path, directory] {
            var status = stat()
            guard stat(file, &status) == 0, status.st_gid != 0 else { continue }
            if let name = GroupFile.name(of: status.st_gid) { return Sanitizer.visible(name, longest: 40) }
        }
        return DaemonConfiguration().socketGroup
    }

    private func silence() -> Failure {
        Failure("the daemon at \(Sanitizer.visible(path)) does not answer; see its log (journalctl -u tailrace)")
    }

    private func head(_ descriptor: Int32) throws -> Reply {
        let end = Array("\r\n\r\n".utf8)
        var bytes: [UInt8] = []
        while let piece = piece(descriptor) {
            bytes += piece
            if let place = bytes.prefix(Self.mostHead).indices.first(where: { bytes[$0...].starts(with: end) }) {
                guard let reply = reply(descriptor, bytes[..<place], Array(bytes[(place + end.count)...])) else {
                    break
                }
                return reply
            }
            if bytes.count >= Self.mostHead { break }
        }
        throw silence()
    }

    /// nil: it is none.
    private func reply(_ descriptor: Int32, _ head: ArraySlice<UInt8>, _ rest: [UInt8]) -> Reply? {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
            if parts.count == 2 { fields[parts[0].lowercased()] = parts[1].lowercased().filter { $0 != " " } }
        }
        return Reply(
            descriptor: descriptor, status: status, isChunked: fields["transfer-encoding"] == "chunked",
            length: fields["content-length"].flatMap { Int($0) }, body: rest)
    }

    private func body(of reply: inout Reply) throws -> [UInt8] {
        var bytes = reply.body
        guard let length = reply.length, length <= Self.mostBytes else { throw silence() }
        while bytes.count < length {
            guard let piece = piece(reply.descriptor) else { throw silence() }
            bytes += piece
        }
        return Array(bytes.prefix(length))
    }

    /// nil: its end, or nothing came in time.
    private func piece(_ descriptor: Int32) -> [UInt8]? {
        var room = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &room, room.count)
            if count > 0 { return Array(room.prefix(count)) }
            if count == 0 || errno != EINTR { return nil }
        }
    }
}
