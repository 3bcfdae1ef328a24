internal import Logging
internal import Primitives
internal import RPC
internal import Scheduling

/// What a node serves of the datacenter: its master, where it leads, the agents' sessions, and the
/// HTTP surfaces.
///
/// Confined to the node's event loop. The node outlives it.
final class DatacenterServices {
    let master: MasterDriver
    let agents: AgentService
    private let agentPort: AgentPortService

    init(_ node: Node, _ configuration: ServerConfiguration, _ logger: Logger) {
        let settings = MasterSettings()
        master = MasterDriver(
            node: node, settings: settings,
            url: configuration.advertisedHTTPURL?.description ?? "", logger: logger)
        var session = AgentService.Settings()
        session.silenceMilliseconds = settings.agentTimeoutMilliseconds
        agents = AgentService(facade: master, node: node, settings: session)
        agentPort = AgentPortService(
            facade: master,
            callers: CallerDesk(
                master, SurfaceSettings(host: "", port: 0, memberName: ""), logger),
            mayBeAgent: { [unowned node] in node.refusalToBeAgent($0) })
    }

    func stopping() {
        agents.stopping()
        agentPort.stop()
    }

    /// Of the client port.
    var routes: RPCRoutes {
        var routes = RPCRoutes()
        agents.register(in: &routes)
        agentPort.register(in: &routes)
        return routes
    }

    /// What the HTTP port is made around; nil where there is none.
    func desk(
        _ configuration: ServerConfiguration, _ security: RPCSecurity?, _ agents: AgentTrust,
        _ logger: Logger
    ) -> DatacenterServer.Desk? {
        guard let listen = configuration.listenHTTPURLs.first,
            let place = configuration.advertisedHTTPURL
        else { return nil }
        var settings = SurfaceSettings(
            host: listen.host, port: listen.port,
            memberName: String(master.member.rawValue, radix: 16))
        settings.advertised = (place.host, place.port)
        settings.clusterName = configuration.initialClusterToken
        settings.clusterID = master.clusterID
        settings.flags = configuration.toldFlags
        settings.security = security
        settings.agents = agents
        settings.showsKeys =
            !configuration.clientTLS.verifiesClients || configuration.httpVerifiesClients
        return DatacenterServer.Desk(master, settings, logger: logger)
    }
}

extension ServerConfiguration {
    /// What GET_FLAGS tells. Nothing secret is among them.
    fileprivate var toldFlags: [(name: String, value: String)] {
        [
            ("name", name), ("data-dir", dataDirectory),
            ("listen-http-urls", listenHTTPURLs.map(\.description).joined(separator: ",")),
            (
                "advertise-client-urls",
                advertiseClientURLs.map(\.description).joined(separator: ",")
            ),
            ("heartbeat-interval", "\(heartbeatMilliseconds)"),
            ("election-timeout", "\(electionMilliseconds)"),
            ("quota-backend-bytes", "\(quotaBytes)"), ("log-level", logLevel),
        ]
    }
}
