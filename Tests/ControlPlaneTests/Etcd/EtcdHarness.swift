import API
import ControlPlane
import Foundation
import NIOCore
import NIOPosix
import Primitives
import RPC
import StateMachine
import SwiftProtobuf
import Testing

/// An ``InMemoryNode`` behind a real port, and a client of it. Methods may be called from anywhere;
/// the node itself is touched through ``onLoop(_:)``.
final class EtcdHarness: @unchecked Sendable {
    let eventLoop: any EventLoop
    let node: InMemoryNode
    let client: RPCClient
    let port: Int
    private let services: EtcdServices
    private let server: RPCServer
    /// The paths of all methods that are served.
    let paths: [String]

    private init(
        eventLoop: any EventLoop, node: InMemoryNode, services: EtcdServices, server: RPCServer,
        client: RPCClient, port: Int, paths: [String]
    ) {
        self.eventLoop = eventLoop
        self.node = node
        self.services = services
        self.server = server
        self.client = client
        self.port = port
        self.paths = paths
    }

    static func start(
        options: EtcdServicesOptions = EtcdServicesOptions(),
        settings: RPCClientSettings = RPCClientSettings(), limits: RPCLimits = RPCLimits()
    ) async throws -> EtcdHarness {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let parts = try await eventLoop.submit { () -> Parts in
            let node = InMemoryNode(eventLoop: eventLoop)
            node.startLeaseClock()
            let services = EtcdServices(node: node, options: options)
            var routes = RPCRoutes()
            services.register(in: &routes)
            let server = RPCServer(
                eventLoop: eventLoop, routes: routes, http1: services.http1Responder,
                limits: limits)
            services.meter(server)
            services.openGateway { [unowned server] in server.connectInProcess(peerAddress: $0) }
            return Parts(
                node: node, services: services, server: server, paths: routes.paths)
        }.get()
        let address = try await parts.server.listen(host: "127.0.0.1", port: 0).get()
        let port = try #require(address.port)
        let client = try await RPCClient.connect(
            host: "127.0.0.1", port: port, on: eventLoop, settings: settings
        ).get()
        return EtcdHarness(
            eventLoop: eventLoop, node: parts.node, services: parts.services,
            server: parts.server, client: client, port: port, paths: parts.paths)
    }

    private struct Parts: @unchecked Sendable {
        let node: InMemoryNode
        let services: EtcdServices
        let server: RPCServer
        let paths: [String]
    }

    func stop() async throws {
        try await onLoop { _ in
            self.node.stop()
            self.client.abort()
        }
        try await server.shutdown(gracePeriod: .zero).get()
    }

    /// Runs `body` with a fresh server, which is stopped afterwards.
    static func run(
        options: EtcdServicesOptions = EtcdServicesOptions(),
        settings: RPCClientSettings = RPCClientSettings(), limits: RPCLimits = RPCLimits(),
        _ body: (EtcdHarness) async throws -> Void
    ) async throws {
        let harness = try await start(options: options, settings: settings, limits: limits)
        do {
            try await body(harness)
        } catch {
            try await harness.stop()
            throw error
        }
        try await harness.stop()
    }

    func onLoop<T: Sendable>(_ body: @escaping @Sendable (InMemoryNode) throws -> T) async throws
        -> T
    {
        try await eventLoop.submit { try body(self.node) }.get()
    }

    /// Everything that was asked of the node before, and everything that followed on the loop, has
    /// happened.
    func settle() async throws {
        for _ in 0..<3 { try await onLoop { _ in } }
    }

    // MARK: Calls

    func unary(
        _ path: String, _ message: [UInt8], metadata: [(name: String, value: String)] = []
    ) async throws -> [UInt8] {
        let promise = eventLoop.makePromise(of: [UInt8].self)
        eventLoop.execute {
            self.client.unary(path, message, metadata: metadata, timeout: .seconds(20)) { result in
                promise.completeWith(result.mapError { $0 as any Error })
            }
        }
        return try await promise.futureResult.get()
    }

    func call<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
        _ path: String, _ request: Request, _ type: Response.Type,
        metadata: [(name: String, value: String)] = []
    ) async throws -> Response {
        let bytes = try await unary(path, try request.serializedBytes(), metadata: metadata)
        return try Response(serializedBytes: bytes)
    }

    /// The status that a call fails with; nil if it does not.
    func failure(
        _ path: String, _ request: some SwiftProtobuf.Message,
        metadata: [(name: String, value: String)] = []
    ) async throws -> RPCStatus? {
        do {
            _ = try await unary(path, try request.serializedBytes(), metadata: metadata)
            return nil
        } catch let status as RPCStatus {
            return status
        }
    }

    // MARK: Shorthands

    @discardableResult
    func put(_ key: String, _ value: String = "", lease: Int64 = 0) async throws -> Int64 {
        var request = EtcdPutRequest()
        request.key = Data(key.utf8)
        request.value = Data(value.utf8)
        request.lease = lease
        let response = try await call("/etcdserverpb.KV/Put", request, EtcdPutResponse.self)
        return response.header.revision
    }

    @discardableResult
    func delete(_ key: String, end: String = "") async throws -> EtcdDeleteRangeResponse {
        var request = EtcdDeleteRangeRequest()
        request.key = Data(key.utf8)
        request.rangeEnd = Data(end.utf8)
        return try await call(
            "/etcdserverpb.KV/DeleteRange", request, EtcdDeleteRangeResponse.self)
    }

    func range(
        _ key: String, end: String = "", _ change: (inout EtcdRangeRequest) -> Void = { _ in }
    ) async throws -> EtcdRangeResponse {
        var request = EtcdRangeRequest()
        request.key = Data(key.utf8)
        request.rangeEnd = Data(end.utf8)
        change(&request)
        return try await call("/etcdserverpb.KV/Range", request, EtcdRangeResponse.self)
    }

    /// Large ranges that are evaluated or sent.
    func largeAnswers() async throws -> Int {
        let services = self.services
        return try await onLoop { _ in services.largeAnswersOutstanding }
    }

    /// Backups that are sent, or that can be gone on with.
    func keptBackups() async throws -> Int {
        let services = self.services
        return try await onLoop { _ in services.keptBackups }
    }

    /// Calls that wait for a lock or an election.
    func queueWaiters() async throws -> Int {
        let services = self.services
        return try await onLoop { _ in services.queueWaiters }
    }

    func openWatchStreams() async throws -> Int {
        let services = self.services
        return try await onLoop { _ in services.openWatchStreams }
    }

    /// Watches that read old revisions, and watches that wait for their stream.
    func watchersBehind() async throws -> (behind: Int, held: Int) {
        let services = self.services
        return try await onLoop { _ in (services.watchersBehind, services.watchersHeld) }
    }

    func stream(_ path: String, metadata: [(name: String, value: String)] = []) -> StreamProbe {
        StreamProbe(self, path, metadata: metadata)
    }

    func watch(metadata: [(name: String, value: String)] = []) -> StreamProbe {
        stream("/etcdserverpb.Watch/Watch", metadata: metadata)
    }
}

/// One streaming call as a test sees it: messages are awaited one by one.
final class StreamProbe: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private var stream: ClientStream?
    private var messages: [[UInt8]] = []
    private var ending: RPCStatus?
    private var waiting: [EventLoopPromise<[UInt8]>] = []
    private var endWaiters: [EventLoopPromise<RPCStatus>] = []

    init(_ harness: EtcdHarness, _ path: String, metadata: [(name: String, value: String)]) {
        eventLoop = harness.eventLoop
        eventLoop.execute {
            self.stream = harness.client.stream(
                path, metadata: metadata, onMessage: { self.received($0) },
                onEnd: { self.ended($0) })
        }
    }

    private func received(_ message: [UInt8]) {
        if waiting.isEmpty {
            messages.append(message)
        } else {
            waiting.removeFirst().succeed(message)
        }
    }

    private func ended(_ status: RPCStatus) {
        ending = status
        for promise in waiting { promise.fail(status) }
        waiting = []
        for promise in endWaiters { promise.succeed(status) }
        endWaiters = []
    }

    func send(_ message: some SwiftProtobuf.Message) throws {
        send(bytes: try message.serializedBytes())
    }

    func send(bytes: [UInt8]) { eventLoop.execute { self.stream?.send(bytes) } }

    func halfClose() { eventLoop.execute { self.stream?.halfClose() } }
    func cancel() { eventLoop.execute { self.stream?.cancel() } }
    func pauseReading() { eventLoop.execute { self.stream?.pauseReading() } }
    func resumeReading() { eventLoop.execute { self.stream?.resumeReading() } }

    /// The next message; throws the status if the call ends first.
    func next<Response: SwiftProtobuf.Message>(_ type: Response.Type) async throws -> Response {
        try Response(serializedBytes: try await nextBytes())
    }

    /// The same as it came.
    func nextBytes() async throws -> [UInt8] {
        try await eventLoop.flatSubmit { () -> EventLoopFuture<[UInt8]> in
            let promise = self.eventLoop.makePromise(of: [UInt8].self)
            if !self.messages.isEmpty {
                promise.succeed(self.messages.removeFirst())
            } else if let ending = self.ending {
                promise.fail(ending)
            } else {
                self.waiting.append(promise)
            }
            return promise.futureResult
        }.get()
    }

    func status() async throws -> RPCStatus {
        try await eventLoop.flatSubmit { () -> EventLoopFuture<RPCStatus> in
            let promise = self.eventLoop.makePromise(of: RPCStatus.self)
            if let ending = self.ending {
                promise.succeed(ending)
            } else {
                self.endWaiters.append(promise)
            }
            return promise.futureResult
        }.get()
    }

    /// Messages that came and were not awaited.
    func pendingCount() async throws -> Int {
        try await eventLoop.submit { self.messages.count }.get()
    }

    // MARK: Watches

    func create(
        _ key: String, end: String = "", start: Int64 = 0, id: Int64 = 0,
        _ change: (inout EtcdWatchCreateRequest) -> Void = { _ in }
    ) throws {
        var create = EtcdWatchCreateRequest()
        create.key = Data(key.utf8)
        create.rangeEnd = Data(end.utf8)
        create.startRevision = start
        create.watchID = id
        change(&create)
        var request = EtcdWatchRequest()
        request.createRequest = create
        try send(request)
    }

    func cancelWatch(_ id: Int64) throws {
        var request = EtcdWatchRequest()
        request.cancelRequest.watchID = id
        try send(request)
    }

    func askProgress() throws {
        var request = EtcdWatchRequest()
        request.progressRequest = EtcdWatchProgressRequest()
        try send(request)
    }

    func nextWatch() async throws -> EtcdWatchResponse { try await next(EtcdWatchResponse.self) }

    /// Waits until the watch `id` has shown `count` events, and returns them; other watches' are
    /// lost.
    func events(_ count: Int, of id: Int64 = 0) async throws -> [EtcdEvent] {
        var events: [EtcdEvent] = []
        while events.count < count {
            let response = try await nextWatch()
            if response.watchID == id { events += response.events }
        }
        return events
    }
}

extension EtcdEvent {
    /// `put k=v@revision` or `del k@revision`, with the previous value behind a slash.
    var text: String {
        let key = String(decoding: kv.key, as: UTF8.self)
        let value = String(decoding: kv.value, as: UTF8.self)
        let before = hasPrevKv ? "/\(String(decoding: prevKv.value, as: UTF8.self))" : ""
        return type == .delete
            ? "del \(key)@\(kv.modRevision)\(before)"
            : "put \(key)=\(value)@\(kv.modRevision)\(before)"
    }
}
