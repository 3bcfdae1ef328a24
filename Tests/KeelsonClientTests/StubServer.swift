import API
import NIOCore
import NIOPosix
import RPC
import SwiftProtobuf

/// A server on loopback that answers as a test tells it to, and counts what it was asked.
///
/// Confined to its event loop but for `calls`, hence `@unchecked Sendable`.
final class StubServer: @unchecked Sendable {
    typealias Unary = @Sendable (_ message: [UInt8], _ number: Int) -> Result<[UInt8], RPCStatus>?

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let loop: any EventLoop
    private var server: RPCServer?
    private var counts: [String: Int] = [:]
    private var streams: [StubStream] = []
    private(set) var port = 0

    /// Answers of unary methods: nil leaves the call without an answer. `number` counts from 1.
    private let unary: [String: Unary]
    /// What a stream does when it gets a message; `number` counts streams of its method from 1.
    private let stream: [String: @Sendable (StubStream, [UInt8], Int) -> Void]

    init(
        unary: [String: Unary] = [:],
        stream: [String: @Sendable (StubStream, [UInt8], Int) -> Void] = [:]
    ) {
        loop = group.next()
        self.unary = unary
        self.stream = stream
    }

    func start() async throws {
        let address = try await loop.flatSubmit {
            var routes = RPCRoutes()
            for (path, answer) in self.unary {
                routes.unary(path) { call, message in
                    self.counts[path, default: 0] += 1
                    switch answer(message, self.counts[path] ?? 0) {
                    case .success(let bytes): call.respond(bytes)
                    case .failure(let status): call.finish(status)
                    case nil: break
                    }
                }
            }
            for (path, received) in self.stream {
                routes.stream(path) { call in
                    self.counts[path, default: 0] += 1
                    let number = self.counts[path] ?? 0
                    let stream = StubStream(call: call) { received($0, $1, number) }
                    self.streams.append(stream)
                    return stream
                }
            }
            let server = RPCServer(eventLoop: self.loop, routes: routes)
            self.server = server
            return server.listen(host: "127.0.0.1", port: 0)
        }.get()
        port = address.port ?? 0
    }

    var endpoint: String { "http://127.0.0.1:\(port)" }

    func callCount(_ path: String) async throws -> Int {
        try await loop.submit { self.counts[path] ?? 0 }.get()
    }

    /// Cuts every connection and stops listening.
    func stop() async {
        try? await loop.flatSubmit {
            self.server?.shutdown(gracePeriod: .zero) ?? self.loop.makeSucceededVoidFuture()
        }.get()
        try? await group.shutdownGracefully()
    }
}

/// The server's side of a stream.
final class StubStream: ServerStream {
    let call: ServerCall
    private let onMessage: (StubStream, [UInt8]) -> Void

    init(call: ServerCall, onMessage: @escaping (StubStream, [UInt8]) -> Void) {
        self.call = call
        self.onMessage = onMessage
    }

    func received(_ message: [UInt8]) { onMessage(self, message) }
    func halfClosed() { call.finish(.ok) }
    func closed(cancelled: Bool) {}
    func writable() {}
}

enum Wire {
    static let put = "/etcdserverpb.KV/Put"
    static let range = "/etcdserverpb.KV/Range"
    static let watch = "/etcdserverpb.Watch/Watch"
    static let keepAlive = "/etcdserverpb.Lease/LeaseKeepAlive"

    static func bytes(_ message: some SwiftProtobuf.Message) -> [UInt8] {
        (try? message.serializedBytes()) ?? []
    }

    static func header(_ revision: Int64) -> EtcdResponseHeader {
        var header = EtcdResponseHeader()
        header.clusterID = 7
        header.memberID = 8
        header.revision = revision
        header.raftTerm = 3
        return header
    }

    static func rangeAnswer(_ pairs: [(String, String)], revision: Int64 = 5) -> [UInt8] {
        var answer = EtcdRangeResponse()
        answer.header = header(revision)
        answer.count = Int64(pairs.count)
        answer.kvs = pairs.map { key, value in
            var pair = EtcdKeyValue()
            pair.key = .init(wire: Array(key.utf8))
            pair.value = .init(wire: Array(value.utf8))
            pair.modRevision = revision
            return pair
        }
        return bytes(answer)
    }

    static func putAnswer(revision: Int64 = 5) -> [UInt8] {
        var answer = EtcdPutResponse()
        answer.header = header(revision)
        return bytes(answer)
    }

    static func created(revision: Int64) -> [UInt8] {
        var answer = EtcdWatchResponse()
        answer.header = header(revision)
        answer.created = true
        return bytes(answer)
    }

    static func events(_ revisions: [Int64]) -> [UInt8] {
        var answer = EtcdWatchResponse()
        answer.header = header(revisions.last ?? 0)
        answer.events = revisions.map { revision in
            var event = EtcdEvent()
            event.kv.key = .init(wire: Array("k\(revision)".utf8))
            event.kv.modRevision = revision
            event.kv.createRevision = revision
            return event
        }
        return bytes(answer)
    }
}
