internal import API
package import RPC
internal import SwiftProtobuf

/// keelson.agent.v1.Agents: agents dial the client port, register, and are given work.
///
/// Confined to the facade's event loop, hence `@unchecked Sendable`. The facade outlives it.
package final class AgentService: @unchecked Sendable {
    package struct Settings: Equatable, Sendable {
        /// How often an agent is asked to send something, in milliseconds.
        package var heartbeatMilliseconds: UInt64 = 2_500
        /// An agent that sent nothing for so long is disconnected, in milliseconds. It is what
        /// ``Scheduling/MasterSettings/agentTimeoutMilliseconds`` is.
        package var silenceMilliseconds: UInt64 = 10_000
        /// Bytes that wait for an agent that does not read; beyond, it is disconnected. What it
        /// missed it is sent again when it is back.
        package var sendBytesMax = 16 << 20
        package var streamsMax = 20_000

        package init() {}
    }

    package static let path = "/keelson.agent.v1.Agents/Session"

    unowned let facade: any DatacenterFacade
    let settings: Settings
    private let leaderURLs: () -> [String]
    private let authorize: (ServerCall) -> RPCStatus?
    private var streams: [ObjectIdentifier: AgentStream] = [:]

    /// - Parameters:
    ///   - leaderURLs: the client URLs of the member that leads; none where nobody is known to.
    ///   - authorize: why a call may not register an agent; nil where it may.
    package init(
        facade: any DatacenterFacade, settings: Settings = Settings(),
        leaderURLs: @escaping () -> [String],
        authorize: @escaping (ServerCall) -> RPCStatus? = { _ in nil }
    ) {
        self.facade = facade
        self.settings = settings
        self.leaderURLs = leaderURLs
        self.authorize = authorize
    }

    package func register(in routes: inout RPCRoutes) {
        routes.stream(Self.path) { self.open($0) }
    }

    package var streamCount: Int { streams.count }

    /// The node is about to stop: agents look for another one at once.
    package func stopping() {
        for stream in Array(streams.values) {
            stream.end(RPCStatus(.unavailable, "the server is stopping"))
        }
    }

    private func open(_ call: ServerCall) -> AgentStream {
        let stream = AgentStream(call: call, service: self)
        streams[ObjectIdentifier(stream)] = stream
        if let refusal = authorize(call) {
            stream.end(refusal)
        } else if streams.count > settings.streamsMax {
            stream.end(
                RPCStatus(.resourceExhausted, "\(settings.streamsMax) agents are connected"))
        }
        return stream
    }

    func forget(_ stream: AgentStream) { streams[ObjectIdentifier(stream)] = nil }

    /// What an agent is told where this node is not the master.
    func elsewhere() -> WireMasterMessage {
        let urls = leaderURLs()
        var message = WireMasterMessage()
        if urls.isEmpty {
            message.refused.reason = "no leader is known"
        } else {
            message.redirect.clientUrls = urls
        }
        return message
    }
}
