package import NIOCore
internal import NIOPosix
package import RPC
internal import SwiftProtobuf

/// A client of a Keelson cluster, or of any server that speaks the etcd v3 API.
///
/// It connects when it first has to, keeps a connection to each endpoint that it uses, and talks to
/// one member until that fails. Every call has a deadline. Reads are asked again elsewhere when a
/// member is unavailable; writes are sent again only if they certainly never left this process, and
/// otherwise fail with ``ClusterError/Code/outcomeUnknown``.
///
/// ```swift
/// let cluster = try Cluster(endpoints: ["http://127.0.0.1:2379"])
/// try await cluster.put("greeting", "hello")
/// let answer = try await cluster.get("greeting")
/// await cluster.shutdown()
/// ```
public final class Cluster: Sendable {
    public struct Options: Sendable {
        /// How long a call may take, with its retries, unless it says otherwise.
        public var timeout: Duration = .seconds(5)
        /// As whom to call, where the cluster asks. The password is sent once, for a token.
        public var credentials: Credentials?
        /// How TLS is spoken. Nil: endpoints that say `https` must have a certificate that the
        /// system trusts; otherwise endpoints without a scheme are dialled with TLS too.
        public var tls: TLSSettings?
        public init() {}
    }

    public let endpoints: [Endpoint]
    public let options: Options
    let dialer: Dialer
    private let ownGroup: MultiThreadedEventLoopGroup?

    /// - Throws: ``ClusterError`` if there is no endpoint, one of them cannot be dialled, or a file
    ///   that TLS needs cannot be used.
    public convenience init(
        endpoints: [String], options: Options = Options()
    ) throws(ClusterError) {
        var parsed: [Endpoint] = []
        for text in endpoints {
            parsed.append(try Endpoint(text, usingTLS: options.tls != nil))
        }
        guard !parsed.isEmpty else {
            throw ClusterError(.invalidEndpoint, "a cluster needs at least one endpoint")
        }
        let tls = try Self.loadTLS(parsed, options)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        self.init(
            endpoints: parsed, options: options, loop: loop, ownGroup: group,
            dial: Dialer.overTCP(tls, on: loop))
    }

    /// A client on an event loop of somebody else's. `endpoints` must not be empty.
    /// - Throws: ``ClusterError`` if a file that TLS needs cannot be used.
    package convenience init(
        endpoints: [Endpoint], options: Options, on loop: any EventLoop
    ) throws(ClusterError) {
        let tls = try Self.loadTLS(endpoints, options)
        self.init(
            endpoints: endpoints, options: options, loop: loop, ownGroup: nil,
            dial: Dialer.overTCP(tls, on: loop))
    }

    /// A client over one connection that somebody else made, on its event loop.
    package convenience init(over client: RPCClient, options: Options = Options()) {
        let loop = client.eventLoop
        self.init(
            endpoints: [Endpoint(host: "localhost")], options: options, loop: loop, ownGroup: nil,
            dial: { _ in loop.makeSucceededFuture(client) })
    }

    private static func loadTLS(
        _ endpoints: [Endpoint], _ options: Options
    ) throws(ClusterError) -> ClientTLS? {
        // The files are looked at even where nobody needs them: a typing error should be known.
        guard options.tls != nil || endpoints.contains(where: \.usesTLS) else { return nil }
        return try (options.tls ?? TLSSettings()).load()
    }

    private init(
        endpoints: [Endpoint], options: Options, loop: any EventLoop,
        ownGroup: MultiThreadedEventLoopGroup?, dial: @escaping Dialer.Dial
    ) {
        self.endpoints = endpoints
        self.options = options
        self.ownGroup = ownGroup
        dialer = Dialer(
            endpoints: endpoints, credentials: options.credentials, loop: loop, dial: dial)
    }

    /// Closes every connection. Calls and watches that are under way fail, as do later ones.
    public func shutdown() async {
        if await dialer.shutDown() { try? await ownGroup?.shutdownGracefully() }
    }

    /// Encodes, calls, decodes.
    func call<Answer: SwiftProtobuf.Message>(
        _ path: String, _ request: some SwiftProtobuf.Message, isRead: Bool, timeout: Duration?,
        answer: Answer.Type = Answer.self
    ) async throws(ClusterError) -> Answer {
        let message: [UInt8]
        do { message = try request.serializedBytes() } catch {
            throw ClusterError(.invalidArgument, "the request cannot be encoded: \(error)")
        }
        let bytes = try await call(path, message, isRead: isRead, timeout: timeout)
        do { return try Answer(serializedBytes: bytes) } catch {
            throw ClusterError(
                .malformedAnswer, "the answer to \(path) cannot be decoded: \(error)")
        }
    }

    func call(
        _ path: String, _ message: [UInt8], isRead: Bool, timeout: Duration?
    ) async throws(ClusterError) -> [UInt8] {
        let deadline = NIODeadline.now() + TimeAmount(timeout ?? options.timeout)
        let slot = CallSlot()
        let result: Result<[UInt8], ClusterError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isTaken = dialer.execute {
                    let call = Call(
                        path: path, message: message, isRead: isRead, deadline: deadline,
                        dialer: self.dialer, done: { continuation.resume(returning: $0) })
                    if slot.isCancelled { return call.cancel() }
                    slot.call = call
                    call.start()
                }
                if !isTaken { continuation.resume(returning: .failure(Dialer.closedError)) }
            }
        } onCancel: {
            dialer.execute {
                slot.isCancelled = true
                slot.call?.cancel()
            }
        }
        return try result.get()
    }
}

/// Where a cancellation finds its call. `@unchecked Sendable`: touched on the event loop alone.
private final class CallSlot: @unchecked Sendable {
    var call: Call?
    var isCancelled = false
}
