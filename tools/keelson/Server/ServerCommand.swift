internal import ArgumentParser
internal import ControlPlane
internal import Logging

/// `keelson server`: one member of a cluster, with etcd's flag names.
struct ServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "server",
        abstract: "Run one server of a cluster.",
        discussion: """
            Flags have etcd's names. Each can also be set in the environment, as KEELSON_ and the
            flag's name in capitals with underscores: KEELSON_DATA_DIR for --data-dir. A flag wins.

            EXAMPLE (one of two; use three or five):
              keelson server --name n1 --data-dir /var/lib/keelson \\
                --listen-client-urls http://10.0.0.1:2379 \\
                --listen-peer-urls http://10.0.0.1:2380 \\
                --initial-cluster n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380

            A server that is ready logs "ready to serve client requests". SIGTERM stops it
            gracefully: it hands leadership on first.
            """)

    @Option(help: "This member's name. (default: default)") var name: String?
    @Option(help: "Where this member keeps its data. (default: NAME.keelson)") var dataDir: String?
    @Option(help: "Addresses that clients connect to. (default: http://127.0.0.1:2379)")
    var listenClientUrls: String?
    @Option(
        help: "Client addresses that other members tell clients. (default: what is listened on)")
    var advertiseClientUrls: String?
    @Option(help: "Addresses that peers connect to. (default: http://127.0.0.1:2380)")
    var listenPeerUrls: String?
    @Option(
        help: "Address of the datacenter's HTTP API (Mesos); usually port 5050. (default: none)")
    var listenHttpUrls: String?
    @Option(help: "Peer addresses of this member in --initial-cluster.")
    var initialAdvertisePeerUrls: String?
    @Option(help: "All members, as name=peer URL, separated by commas. (default: this one alone)")
    var initialCluster: String?
    @Option(help: "new or existing. (default: new)") var initialClusterState: String?
    @Option(help: "Tells clusters apart that have the same addresses. (default: keelson-cluster)")
    var initialClusterToken: String?
    @Option(
        help: """
            never or auto: whether a server whose disk is lost joins again under another id by \
            itself, if its leader's policy is auto, too. (default: never)
            """)
    var rejoinPolicy: String?
    @Option(
        help: """
            Seconds without a word from a voter after which a learner that keeps up votes in its \
            stead; 0 never. (default: 0)
            """)
    var replaceDeadMemberAfter: String?
    @Option(help: "Milliseconds between the leader's heartbeats. (default: 100)")
    var heartbeatInterval: String?
    @Option(help: "Milliseconds without a leader before an election. (default: 1000)")
    var electionTimeout: String?
    @Option(help: "Entries between two checkpoints. (default: 100000)") var snapshotCount: String?
    @Option(help: "Bytes of keys and values before writes are refused. (default: 8589934592)")
    var quotaBackendBytes: String?
    @Option(help: "periodic or revision. (default: periodic)") var autoCompactionMode: String?
    @Option(help: "Hours, a duration such as 30m, or revisions; 0 keeps all history. (default: 0)")
    var autoCompactionRetention: String?
    @Option(
        help: """
            Hours, or a duration such as 30m, for which it is kept what agents, frameworks, tasks \
            and services were; 0 for ever. (default: 24h)
            """)
    var recordHistoryRetention: String?
    @Option(help: "Bytes of the largest client request. (default: 1572864)")
    var maxRequestBytes: String?
    @Option(help: "Operations in one transaction. (default: 128)") var maxTxnOps: String?
    @Option(
        help: "Log requests that take longer, in milliseconds; 0 logs none. (default: 100)")
    var slowRequestLogThreshold: String?
    @Option(
        help: """
            Where traces of requests go: a file, or the URL of an OpenTelemetry collector \
            (http://127.0.0.1:4318). (default: nowhere)
            """)
    var traceExport: String?
    @Option(
        help: """
            Requests in a million that are traced, of those whose caller does not say. \
            (default: 0)
            """)
    var traceSamplingPerMillion: String?
    @Option(help: "What traces call the server. (default: keelson)") var traceServiceName: String?
    @Option(
        help: """
            How users' tokens are made: simple, or \
            jwt,sign-method=ES256,pub-key=FILE,priv-key=FILE,ttl=5m. (default: simple)
            """)
    var authToken: String?
    @OptionGroup(title: "TLS of clients") var clientTLS: ClientTLSOptions
    @OptionGroup(title: "TLS of the datacenter's HTTP port") var httpTLS: HTTPTLSOptions
    @OptionGroup(title: "TLS between peers") var peerTLS: PeerTLSOptions
    @Option(
        help: """
            The CA of agents' certificates, in PEM, for the dashboard, which shows their files. \
            (default: --trusted-ca-file, or else what the system trusts)
            """)
    var agentTrustedCaFile: String?
    @Option(help: "TLS1.2 or TLS1.3. (default: TLS1.2)") var tlsMinVersion: String?
    @Option(help: "Years that certificates hold which the server makes. (default: 1)")
    var selfSignedCertValidity: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    func run() async throws {
        let configuration: ServerConfiguration
        do {
            configuration = try ServerFlags(self).configuration()
            try configuration.validate()
        } catch {
            throw Failure(.usage, error.description)
        }
        let status = await ServerRun.run(configuration)
        if status != 0 { throw ExitCode(status) }
    }
}
