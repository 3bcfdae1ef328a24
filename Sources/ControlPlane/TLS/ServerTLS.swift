import Logging
import RPC

/// TLS of a server's ports. Nil where a port has none.
struct ServerTLS: Sendable {
    let client: TLSPort?
    let peer: TLSPort?
    /// Of the datacenter's HTTP port.
    let http: TLSPort?
    /// Towards agents.
    let agents: AgentTrust

    /// Reads all files.
    /// - Throws: ``ConfigurationError``, which names the flag whose file cannot be used.
    init(_ configuration: ServerConfiguration, logger: Logger) throws(ConfigurationError) {
        client = try Self.port(
            configuration.clientTLS, configuration,
            urls: configuration.listenClientURLs + configuration.advertiseClientURLs,
            // Whoever speaks both wants to read a page: gRPC's clients offer h2 alone.
            protocols: ["http/1.1", "h2"], logger)
        peer = try Self.port(
            configuration.peerTLS, configuration,
            urls: configuration.listenPeerURLs + configuration.initialAdvertisePeerURLs,
            protocols: [], logger)
        let httpFlags = configuration.httpTLSInForce
        http =
            configuration.listenHTTPURLs.contains(where: \.isSecure)
            ? try Self.port(
                httpFlags, configuration,
                urls: configuration.listenHTTPURLs
                    + [configuration.advertisedHTTPURL].compactMap(\.self),
                protocols: ["http/1.1"], logger) : nil
        agents = try AgentTrust(configuration, logger: logger)
        Self.warn(configuration.clientTLS, configuration.listenClientURLs, logger)
        Self.warn(configuration.peerTLS, configuration.listenPeerURLs, logger)
        Self.warn(httpFlags, configuration.listenHTTPURLs, logger)
    }

    /// The ports that have certificates, and the last second in which those hold, since 1970.
    var certificateEnds: [(port: String, notAfter: Int)] {
        [("client", client), ("peer", peer), ("http", http)].compactMap { name, port in
            port.map { (name, $0.certificateEnd) }
        }
    }

    private static func port(
        _ flags: TLSFlags, _ configuration: ServerConfiguration, urls: [ServiceURL],
        protocols: [String], _ logger: Logger
    ) throws(ConfigurationError) -> TLSPort? {
        var flags = flags
        let files: (certificate: String, key: String)
        if let certificate = flags.certificatePath, let key = flags.keyPath {
            flags.isAutomatic = false
            files = (certificate, key)
        } else if flags.isAutomatic, urls.contains(where: \.isSecure) {
            var hosts: [String] = []
            for host in urls.map(\.host) where !hosts.contains(host) { hosts.append(host) }
            files = try SelfSigned.files(
                flags, in: configuration.dataDirectory, hosts: hosts,
                years: configuration.selfSignedYears)
        } else {
            return nil
        }
        let source = TLSSource(
            flags: flags, certificatePath: files.certificate, keyPath: files.key,
            minimum: configuration.tlsMinimum, protocols: protocols)
        return try TLSPort(source, logger: logger)
    }

    /// Plaintext beside TLS may be meant, and may be a mistake.
    static func warn(_ flags: TLSFlags, _ urls: [ServiceURL], _ logger: Logger) {
        guard flags.canServe || flags.verifiesClients else { return }
        for url in urls where !url.isSecure {
            logger.warning(
                "this address is served without TLS, although certificates are given",
                metadata: [
                    "url": "\(url)",
                    "certificates of clients": flags.verifiesClients ? "not asked for" : "",
                ])
        }
    }
}
