internal import ArgumentParser

/// The TLS flags of the client port.
struct ClientTLSOptions: ParsableArguments {
    @Option(help: "The server's certificate for https in --listen-client-urls, in PEM.")
    var certFile: String?
    @Option(help: "The key of --cert-file, in PEM.") var keyFile: String?
    @Flag(help: "Clients must show a certificate that --trusted-ca-file has signed.")
    var clientCertAuth = false
    @Option(help: "The CA of clients' certificates, in PEM. Given, clients must show one.")
    var trustedCaFile: String?
    @Option(help: "Clients' certificates must be for one of these hosts, separated by commas.")
    var clientCertAllowedHostname: String?
    @Option(help: "Clients' certificates that the CA has revoked, in PEM or DER.")
    var clientCrlFile: String?
    @Flag(help: "Without --cert-file: make a certificate that nobody has signed.")
    var autoTls = false
}

/// The TLS flags of the datacenter's HTTP port; what is not given is as on the client port.
struct HTTPTLSOptions: ParsableArguments {
    @Option(
        help: """
            The server's certificate for https in --listen-http-urls, in PEM. (default: \
            --cert-file)
            """)
    var httpCertFile: String?
    @Option(help: "The key of --http-cert-file, in PEM. (default: --key-file)")
    var httpKeyFile: String?
    @Option(
        help: """
            Whether who connects must show a certificate that --http-trusted-ca-file has signed: \
            true or false. (default: as on the client port)
            """)
    var httpClientCertAuth: String?
    @Option(
        help: """
            The CA of those certificates, in PEM. Given, one must be shown. (default: \
            --trusted-ca-file)
            """)
    var httpTrustedCaFile: String?
    @Option(help: "Certificates that the CA has revoked, in PEM or DER.")
    var httpCrlFile: String?
}

/// The TLS flags of an agent's own port.
struct AgentTLSOptions: ParsableArguments {
    @Option(help: "The agent's certificate for https in --listen-url, in PEM.")
    var certFile: String?
    @Option(help: "The key of --cert-file, in PEM.") var keyFile: String?
    @Flag(help: "Who connects must show a certificate that --trusted-ca-file has signed.")
    var clientCertAuth = false
    @Option(help: "The CA of those certificates, in PEM. Given, one must be shown.")
    var trustedCaFile: String?
    @Option(help: "Certificates that the CA has revoked, in PEM or DER.")
    var clientCrlFile: String?
}

/// The TLS flags of the peer port, and of the connections that this server opens to its peers.
struct PeerTLSOptions: ParsableArguments {
    @Option(help: "The server's certificate towards peers, as server and as client, in PEM.")
    var peerCertFile: String?
    @Option(help: "The key of --peer-cert-file, in PEM.") var peerKeyFile: String?
    @Flag(help: "Peers must show a certificate that --peer-trusted-ca-file has signed.")
    var peerClientCertAuth = false
    @Option(help: "The CA of the peers' certificates, in PEM. Given, peers must show one.")
    var peerTrustedCaFile: String?
    @Option(help: "Peers' certificates must have one of these common names, separated by commas.")
    var peerCertAllowedCn: String?
    @Option(help: "Peers' certificates must be for one of these hosts, separated by commas.")
    var peerCertAllowedHostname: String?
    @Option(help: "Peers' certificates that the CA has revoked, in PEM or DER.")
    var peerCrlFile: String?
    @Flag(help: "Without --peer-cert-file: make a certificate that nobody has signed.")
    var peerAutoTls = false
}
