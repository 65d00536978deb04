// SPDX-License-Identifier: MIT
// A plain server of server-sent events on SwiftNIO, as anyone would write it: nothing in it knows that it is traced.
//
//     /small/600      a body of that many bytes with a Content-Length
//     /sse/5/10       5 events, one every 10 ms, chunked
//     /trailers/3     3 chunks and a trailer
//
// Each head says when the handler had the request: X-Served-At, ns of CLOCK_REALTIME.
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

typealias ResponsePart = HTTPPart<HTTPResponseHead, ByteBuffer>
typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, ResponsePart>

/// HTTP's encoder wants bodies as it may also have them from files.
final class BodyWrapper: ChannelOutboundHandler {
    typealias OutboundIn = ResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part: HTTPServerResponsePart =
            switch unwrapOutboundIn(data) {
            case .head(let head): .head(head)
            case .body(let bytes): .body(.byteBuffer(bytes))
            case .end(let trailers): .end(trailers)
            }
        context.write(wrapOutboundOut(part), promise: promise)
    }
}

func servedAt() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return String(now.tv_sec * 1_000_000_000 + now.tv_nsec)
}

func respond(
    to request: HTTPRequestHead, on outbound: NIOAsyncChannelOutboundWriter<ResponsePart>
) async throws {
    let words = request.uri.split(separator: "/")
    let numbers = words.dropFirst().map { Int($0) ?? 0 }
    var head = HTTPResponseHead(version: request.version, status: .ok, headers: ["X-Served-At": servedAt()])
    if !request.isKeepAlive { head.headers.add(name: "Connection", value: "close") }
    var trailers: HTTPHeaders?
    switch words.first {
    case "small":
        head.headers.add(name: "Content-Length", value: String(numbers[0]))
        try await outbound.write(.head(head))
        try await outbound.write(.body(ByteBuffer(repeating: 0x73, count: numbers[0])))
    case "sse":
        head.headers.add(name: "Content-Type", value: "text/event-stream")
        try await outbound.write(.head(head))
        for number in 0..<numbers[0] {
            try await Task.sleep(for: .milliseconds(numbers[1]))
            try await outbound.write(.body(ByteBuffer(string: "id: \(number)\ndata: {\"text\": \"event\"}\n\n")))
        }
    default:
        head.headers.add(name: "Trailer", value: "X-Sum")
        try await outbound.write(.head(head))
        for number in 0..<numbers[0] { try await outbound.write(.body(ByteBuffer(string: "chunk \(number)\n"))) }
        trailers = ["X-Sum": "1234"]
    }
    try await outbound.write(.end(trailers))
}

func serve(_ connection: Connection) async {
    // A client that leaves in the middle is no error of the server.
    try? await connection.executeThenClose { inbound, outbound in
        for try await part in inbound {
            guard case .head(let request) = part else { continue }
            try await respond(to: request, on: outbound)
            if !request.isKeepAlive { return }
        }
    }
}

let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup(numberOfThreads: 1))
    .serverChannelOption(.backlog, value: 256)
    .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.configureHTTPServerPipeline()
            try channel.pipeline.syncOperations.addHandler(BodyWrapper())
            return try Connection(wrappingChannelSynchronously: channel)
        }
    }
print("{\"port\": \(listener.channel.localAddress?.port ?? 0)}")
fflush(nil)
try await withThrowingDiscardingTaskGroup { group in
    try await listener.executeThenClose { connections in
        for try await connection in connections { group.addTask { await serve(connection) } }
    }
}
