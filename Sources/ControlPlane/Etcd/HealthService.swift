internal import API
internal import RPC
internal import SwiftProtobuf

/// grpc.health.v1.Health for the whole server, whose name is empty.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class HealthService: @unchecked Sendable {
    private var watchers: [ObjectIdentifier: HealthStream] = [:]

    /// Serving until the node stops, with or without a leader, as in etcd: serializable reads are
    /// served.
    private(set) var status = GRPCHealthCheckResponse.ServingStatus.serving

    func register(in routes: inout RPCRoutes) {
        routes.unary("/grpc.health.v1.Health/Check", GRPCHealthCheckRequest.self) { call, request in
            guard request.service.isEmpty else {
                return call.finish(RPCStatus(.notFound, "unknown service"))
            }
            var response = GRPCHealthCheckResponse()
            response.status = self.status
            call.respond(response)
        }
        routes.stream("/grpc.health.v1.Health/Watch") { call in
            let stream = HealthStream(call: call, service: self)
            self.watchers[ObjectIdentifier(stream)] = stream
            return stream
        }
    }

    func stopping() {
        status = .notServing
        for watcher in watchers.values {
            watcher.tell()
            watcher.stop()
        }
    }

    func forget(_ stream: HealthStream) { watchers[ObjectIdentifier(stream)] = nil }
}

/// One `Health.Watch` call: the state at once and after each change.
final class HealthStream: ServerStream, @unchecked Sendable {
    private let call: ServerCall
    private unowned let service: HealthService
    private var isKnownService = true
    private var hasRequest = false
    private var told: GRPCHealthCheckResponse.ServingStatus?

    init(call: ServerCall, service: HealthService) {
        self.call = call
        self.service = service
    }

    func received(_ message: [UInt8]) {
        guard !hasRequest, let request = try? GRPCHealthCheckRequest(serializedBytes: message)
        else { return call.finish(.malformed) }
        hasRequest = true
        isKnownService = request.service.isEmpty
        tell()
    }

    func halfClosed() {}
    func closed(cancelled: Bool) { service.forget(self) }
    func writable() { tell() }

    func stop() { call.finish(.stopped) }

    func tell() {
        let status = isKnownService ? service.status : .serviceUnknown
        guard hasRequest, call.isWritable, told != status else { return }
        told = status
        var response = GRPCHealthCheckResponse()
        response.status = status
        call.send(response)
    }
}
