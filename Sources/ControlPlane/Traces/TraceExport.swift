internal import Logging
internal import Monitoring
internal import NIOCore
internal import NIOPosix
internal import Primitives
internal import RPC
internal import RaftCore
internal import Replication

/// Where `--trace-export` says that spans go.
package enum TraceTarget: Equatable, Sendable {
    case file(String)
    case collector(ServiceURL)

    static let flag = "--trace-export"

    /// What looks like a URL is one; all else is a file.
    package init(_ text: String) throws(ConfigurationError) {
        if text.contains("://") {
            self = .collector(try ServiceURL(text, flag: Self.flag))
        } else if !text.isEmpty {
            self = .file(text)
        } else {
            throw ConfigurationError(
                flag: Self.flag, value: text, reason: "it names nothing",
                hint: "for example traces.jsonl or http://127.0.0.1:4318")
        }
    }

    func sink() throws(ConfigurationError) -> any TraceSink {
        switch self {
        case .file(let path):
            let file = TraceFile(path: path)
            if let problem = file.problem() {
                throw ConfigurationError(
                    flag: Self.flag, value: path, reason: problem,
                    hint: "Name a file in a folder that this server may write to")
            }
            return file
        case .collector(let url):
            do { return try TraceCollector(url) } catch {
                throw ConfigurationError(
                    flag: Self.flag, value: "\(url)", reason: "TLS cannot be set up: \(error)",
                    hint: "Are the system's CA certificates installed?")
            }
        }
    }
}

/// A server's exporter with the thread that it has for itself.
///
/// `@unchecked Sendable`: the exporter is.
final class TraceExport: @unchecked Sendable {
    let exporter: TraceExporter
    private let group: MultiThreadedEventLoopGroup

    private static let stopTime: TimeAmount = .seconds(1)

    init(
        _ sink: any TraceSink, _ configuration: ServerConfiguration, cluster: ClusterID,
        member: NodeID, logger: Logger
    ) {
        let text = TraceText(
            resource: [
                .init("service.name", configuration.traceServiceName),
                .init("service.instance.id", "\(member)"),
                .init("service.version", KeelsonVersion.keelson),
                .init("keelson.member.name", configuration.name),
                .init("keelson.cluster.id", "\(cluster)"),
            ], scope: "keelson", version: KeelsonVersion.keelson)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        exporter = TraceExporter(sink, text, on: group.next()) { words in
            logger.warning("traces: \(words)")
        }
    }

    func stop() async {
        try? await exporter.stop(within: Self.stopTime).get()
        try? await group.shutdownGracefully()
    }
}

extension Node {
    /// Has the calls of its port traced, and what other members' traced calls did here. On the
    /// event loop, before it starts.
    func trace(_ rpc: RPCServer, to exporter: TraceExporter) {
        meter.measureFinely()
        let tracer = RequestTracer(
            seed: .random(in: 0...(.max)),
            entry: { [unowned self] index in
                RequestTracer.Entry(
                    times: meter.times(of: index),
                    term: replica.raft.term(at: LogIndex(index))?.rawValue, isLeader: isLeader)
            },
            tell: { [unowned self] notes in
                transport.send(notes)
                endTurnSoon()
            },
            export: { exporter.take($0) })
        self.tracer = tracer
        let sampler = TraceSampler(
            perMillion: configuration.traceSamplingPerMillion, seed: .random(in: 0...(.max)),
            now: .now())
        rpc.traceCalls(sampler) { tracer.note($0, $1) }
    }
}
