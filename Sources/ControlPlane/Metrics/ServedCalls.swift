internal import Monitoring
internal import RPC

/// What the client port counts, under the names of go-grpc-prometheus, which etcd uses.
struct ServedCalls {
    private unowned let server: RPCServer

    /// On the event loop.
    init(_ server: RPCServer) { self.server = server }

    func write(into text: inout MetricsText) {
        let meters = server.meters
        let labels = meters.map(Self.labels)
        let all = Array(zip(meters, labels))
        text.family(
            "grpc_server_started_total", "Calls that have begun.", .counter,
            all.map { ($1, .whole($0.started)) })
        text.family(
            "grpc_server_handled_total", "Calls that have ended, by status code.", .counter,
            all.flatMap(Self.handled))
        text.histograms(
            "grpc_server_handling_seconds",
            "Seconds from a unary call's first byte to its status; of methods that were called.",
            all.filter { $0.0.durations.count > 0 }.map { ($1, $0.durations) })
        text.counter(
            "etcd_network_client_grpc_received_bytes_total",
            "Bytes received from gRPC clients, before TLS.", server.receivedBytes)
        text.counter(
            "etcd_network_client_grpc_sent_bytes_total",
            "Bytes sent to gRPC clients, before TLS.", server.sentBytes)
        text.gauge(
            "keelson_client_connections", "Connections to the client port.",
            Double(server.connectionCount))
    }

    /// OK is there from the start, so that rates are right from the first call on.
    private static func handled(
        _ meter: MethodMeter, _ labels: [MetricLabel]
    ) -> [(labels: [MetricLabel], value: MetricValue)] {
        meter.handled.indices.compactMap { code in
            guard code == 0 || meter.handled[code] > 0 else { return nil }
            let name = RPCCode(rawValue: code)?.goName ?? "Unknown"
            return (labels + [MetricLabel("grpc_code", name)], .whole(meter.handled[code]))
        }
    }

    private static func labels(_ meter: MethodMeter) -> [MetricLabel] {
        let type =
            meter.isUnary
            ? "unary"
            : bothWays.contains("\(meter.service)/\(meter.method)")
                ? "bidi_stream" : "server_stream"
        return [
            MetricLabel("grpc_type", type), MetricLabel("grpc_service", meter.service),
            MetricLabel("grpc_method", meter.method),
        ]
    }

    /// Methods whose clients send a stream, too.
    private static let bothWays: Set<String> = [
        "etcdserverpb.Watch/Watch", "etcdserverpb.Lease/LeaseKeepAlive",
        "keelson.agent.v1.Agents/Session",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ]
}

extension RPCCode {
    /// As grpc-go prints it.
    var goName: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "Canceled"
        case .unknown: "Unknown"
        case .invalidArgument: "InvalidArgument"
        case .deadlineExceeded: "DeadlineExceeded"
        case .notFound: "NotFound"
        case .alreadyExists: "AlreadyExists"
        case .permissionDenied: "PermissionDenied"
        case .resourceExhausted: "ResourceExhausted"
        case .failedPrecondition: "FailedPrecondition"
        case .aborted: "Aborted"
        case .outOfRange: "OutOfRange"
        case .unimplemented: "Unimplemented"
        case .internalError: "Internal"
        case .unavailable: "Unavailable"
        case .dataLoss: "DataLoss"
        case .unauthenticated: "Unauthenticated"
        }
    }
}
