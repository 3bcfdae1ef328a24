package import Primitives
import RPC
package import Replication
import StateMachine
import Storage

/// One member as `--initial-cluster` names it.
package struct InitialMember: Equatable, Sendable {
    package var id: NodeID
    package var name: String
    package var peerURLs: [ServiceURL]

    var peerHost: String { peerURLs[0].host }
    var peerPort: Int { peerURLs[0].port }
}

/// What a server is told to be. Flags have etcd's names (DESIGN §12); ``validate()`` says which
/// cannot be used and why.
package struct ServerConfiguration: Sendable {
    package var name = "default"
    package var dataDirectory = ""
    package var listenClientURLs = [ServiceURL(scheme: "http", host: "127.0.0.1", port: 2379)]
    package var advertiseClientURLs = [ServiceURL(scheme: "http", host: "127.0.0.1", port: 2379)]
    package var listenPeerURLs = [ServiceURL(scheme: "http", host: "127.0.0.1", port: 2380)]
    package var initialAdvertisePeerURLs = [
        ServiceURL(scheme: "http", host: "127.0.0.1", port: 2380)
    ]
    /// Where the datacenter's HTTP surfaces are (Mesos, Marathon, dashboard): at most one address.
    /// Empty: nowhere.
    package var listenHTTPURLs: [ServiceURL] = []
    package var initialCluster: [InitialMember] = []
    package var initialClusterState = "new"
    package var initialClusterToken = "keelson-cluster"
    /// Whether this server, where its disk is lost, gets a place under another id by itself; and
    /// whether, where it leads, it gives such places.
    package var rejoinPolicy = RejoinPolicy.never
    /// Seconds without a word from a voter after which this server, where it leads, has a learner
    /// vote in its stead; 0: never.
    package var replaceDeadSeconds = 0
    package var heartbeatMilliseconds = 100
    package var electionMilliseconds = 1000
    /// Entries applied since the last checkpoint before the next is written.
    package var snapshotCount = 100_000
    package var quotaBytes: Int64 = 8 << 30
    package var maxRequestBytes = 1_572_864
    package var maxTxnOps = 128
    /// A request that takes longer is logged; 0: none is.
    package var slowRequestMilliseconds = 100
    /// Where traces go: a file, or a collector's URL. Empty: nothing is traced.
    package var traceExport = ""
    /// Of requests whose caller says nothing about a trace.
    package var traceSamplingPerMillion = 0
    package var traceServiceName = "keelson"
    package var autoCompactionMode = "periodic"
    package var autoCompactionRetention = "0"
    /// As ``autoCompactionRetention``, of the datacenter's records.
    package var recordHistoryRetention = "24h"
    package var logLevel = "info"
    package var authToken = "simple"
    package var clientTLS = TLSFlags(.client)
    package var peerTLS = TLSFlags(.peer)
    /// Of the HTTP port, as given: what counts is ``httpTLSInForce``.
    package var httpTLS = TLSFlags(.http)
    /// Nil: as on the client port.
    package var httpAsksForCertificates: Bool?
    /// The CA of agents' certificates; nil: that of clients', or else those that the system trusts.
    package var agentTrustedCAPath: String?
    package var tlsMinimumVersion = TLSProfile.Version.tls12.rawValue
    /// How long certificates hold that the server makes itself, in years.
    package var selfSignedYears = 1

    /// What this build knows; lower, it does as an older build does: for tests of rolling upgrades.
    package var featureLevel = FeatureLevel.newest

    package static let tickMilliseconds = 10
    package static let maxRequestBytesLimit = 32 << 20
    static let replaceDeadRange = 10...2_592_000

    /// What `validate()` accepted; off otherwise.
    var autoCompaction: AutoCompaction {
        (try? AutoCompaction(mode: autoCompactionMode, retention: autoCompactionRetention)) ?? .off
    }

    /// What `validate()` accepted; for ever otherwise.
    var recordRetention: RecordRetention {
        let seconds = AutoCompaction.seconds(recordHistoryRetention) ?? 0
        return RecordRetention(
            window: seconds == 0 ? nil : UInt64(seconds) * 1000,
            bytesMax: quotaBytes == 0 ? .max : Int(clamping: quotaBytes / 4))
    }

    /// What `validate()` accepted; nil: nothing is traced.
    var traceTarget: TraceTarget? { traceExport.isEmpty ? nil : try? TraceTarget(traceExport) }

    /// What `validate()` accepted.
    var tlsMinimum: TLSProfile.Version { TLSProfile.Version(rawValue: tlsMinimumVersion) ?? .tls12 }

    package init() {}

    /// Parses `name=url,name=url`; a name given twice has several URLs, as in etcd.
    package mutating func setInitialCluster(_ text: String) throws(ConfigurationError) {
        let flag = "--initial-cluster"
        var names: [String] = []
        var urls: [String: [ServiceURL]] = [:]
        for part in text.split(separator: ",") {
            guard let equals = part.firstIndex(of: "="), equals != part.startIndex else {
                throw ConfigurationError(
                    flag: flag, value: String(part), reason: "it is not name=URL",
                    hint: "for example n1=http://127.0.0.1:2380,n2=http://127.0.0.1:2390")
            }
            let name = String(part[..<equals])
            let url = try ServiceURL(String(part[part.index(after: equals)...]), flag: flag)
            if urls[name] == nil { names.append(name) }
            urls[name, default: []].append(url)
        }
        initialCluster = names.map { name in
            let peerURLs = urls[name] ?? []
            return InitialMember(
                id: memberID(peerURLs: peerURLs), name: name, peerURLs: peerURLs)
        }
    }

    /// Bootstrap ids come from the sorted initial URLs and the token (DESIGN §9).
    package func memberID(peerURLs: [ServiceURL]) -> NodeID {
        NodeID(StableHash.hash(peerURLs.map(\.description).sorted() + [initialClusterToken]))
    }

    /// As whom the node begins in a new cluster.
    func foundingIdentity() throws(ConfigurationError) -> NodeIdentity {
        guard let own = ownMember else {
            throw ConfigurationError(
                flag: "--initial-cluster", value: "", reason: "it does not name this member",
                hint: "List every member, this one included")
        }
        return NodeIdentity(
            clusterID: clusterID, memberID: own.id, name: name,
            initialVoters: initialCluster.map(\.id))
    }

    /// Where the node keeps its state, and as whom.
    func place(as identity: NodeIdentity) -> NodePlace {
        NodePlace(
            path: dataDirectory, identity: identity, freshDisk: UInt32.random(in: 1...(.max)),
            nonce: UInt64.random(in: 1...(.max)), known: featureLevel)
    }

    /// The members that a cluster named which this node joins take the place of the flags' ones,
    /// whose ids nobody knows.
    mutating func meet(_ answer: JoinAnswer) {
        initialClusterState = "existing"
        let others = answer.voters.compactMap { voter -> InitialMember? in
            guard let url = try? ServiceURL(voter.peerURL, flag: "--initial-cluster") else {
                return nil
            }
            return InitialMember(id: voter.id, name: "", peerURLs: [url])
        }
        initialCluster =
            others + [
                InitialMember(
                    id: answer.memberID, name: name, peerURLs: initialAdvertisePeerURLs)
            ]
    }

    /// What the first leader puts on record of the members with which a new cluster begins.
    var initialAttributes: [MemberAttributes] {
        guard initialClusterState == "new" else { return [] }
        return initialCluster.map { member in
            MemberAttributes(
                member: member.id, name: member.name, clientURLs: [],
                peerURLs: member.peerURLs.map(\.description), version: "")
        }
    }

    package var clusterID: ClusterID {
        ClusterID(
            StableHash.hash(
                initialCluster.flatMap(\.peerURLs).map(\.description).sorted()
                    + ["cluster", initialClusterToken]))
    }

    /// This node among the initial members. `validate()` makes sure that it is there.
    package var ownMember: InitialMember? {
        initialCluster.first { $0.name == name }
    }

    package func validate() throws(ConfigurationError) {
        try check(
            "--name", name, !name.isEmpty && name.utf8.count <= 256,
            "a name has 1 to 256 bytes", "Give each member a name of its own")
        try check(
            "--data-dir", dataDirectory, !dataDirectory.isEmpty, "no directory is given",
            "Name a directory that only this node uses")
        try check(
            "--heartbeat-interval", "\(heartbeatMilliseconds)",
            (Self.tickMilliseconds...10_000).contains(heartbeatMilliseconds),
            "it must be from \(Self.tickMilliseconds) to 10000 ms", "The default is 100")
        try check(
            "--election-timeout", "\(electionMilliseconds)",
            electionMilliseconds >= 5 * heartbeatMilliseconds && electionMilliseconds <= 50_000,
            "it must be at least 5 times --heartbeat-interval (\(heartbeatMilliseconds) ms) and at "
                + "most 50000 ms", "The default is 1000")
        try check(
            "--snapshot-count", "\(snapshotCount)", (100...100_000_000).contains(snapshotCount),
            "it must be from 100 to 100000000", "The default is 100000")
        try check(
            "--quota-backend-bytes", "\(quotaBytes)", quotaBytes >= 0,
            "it cannot be negative", "0 means the default of 8 GiB")
        try check(
            "--max-request-bytes", "\(maxRequestBytes)",
            (1024...Self.maxRequestBytesLimit).contains(maxRequestBytes),
            "it must be from 1024 to \(Self.maxRequestBytesLimit), so that every request fits into "
                + "a segment of the log", "The default is 1572864")
        try check(
            "--slow-request-log-threshold", "\(slowRequestMilliseconds)",
            (0...3_600_000).contains(slowRequestMilliseconds),
            "it must be from 0 (off) to 3600000 ms", "The default is 100")
        try check(
            "--max-txn-ops", "\(maxTxnOps)", (1...100_000).contains(maxTxnOps),
            "it must be from 1 to 100000", "The default is 128")
        try check(
            "--initial-cluster-state", initialClusterState,
            ["new", "existing"].contains(initialClusterState), "it must be new or existing",
            "Use new for a cluster that starts for the first time")
        try check(
            "--replace-dead-member-after", "\(replaceDeadSeconds)",
            replaceDeadSeconds == 0 || Self.replaceDeadRange.contains(replaceDeadSeconds),
            "it must be 0, or from \(Self.replaceDeadRange.lowerBound) to "
                + "\(Self.replaceDeadRange.upperBound) seconds",
            "The default is 0: never; a restart must not look like death")
        try check(
            "--auto-compaction-mode", autoCompactionMode,
            ["periodic", "revision"].contains(autoCompactionMode),
            "it must be periodic or revision", "The default is periodic")
        _ = try AutoCompaction(mode: autoCompactionMode, retention: autoCompactionRetention)
        try check(
            "--record-history-retention", recordHistoryRetention,
            AutoCompaction.seconds(recordHistoryRetention) != nil,
            "it must be hours or a duration", "for example 24h or 30m; 0 keeps all of it")
        _ = try AuthTokenOptions(authToken)
        try check(
            "KEELSON_FEATURE_LEVEL", "\(featureLevel)",
            (FeatureLevel.first...FeatureLevel.newest).contains(featureLevel),
            "this build knows levels \(FeatureLevel.first) to \(FeatureLevel.newest)",
            "Leave it out: it makes this build do as an older one does")
        try validateMembers()
        try validateTLS()
        try validateTraces()
    }

    private func validateTraces() throws(ConfigurationError) {
        try check(
            "--trace-sampling-per-million", "\(traceSamplingPerMillion)",
            (0...1_000_000).contains(traceSamplingPerMillion), "it must be from 0 to 1000000",
            "The default is 0: requests whose caller asks for it")
        try check(
            "--trace-service-name", traceServiceName,
            !traceServiceName.isEmpty && traceServiceName.utf8.count <= 256,
            "a name has 1 to 256 bytes", "The default is keelson")
        if !traceExport.isEmpty { _ = try TraceTarget(traceExport) }
        try check(
            "--trace-sampling-per-million", "\(traceSamplingPerMillion)",
            traceSamplingPerMillion == 0 || !traceExport.isEmpty, "traces go nowhere",
            "Say with --trace-export where to")
    }

    /// What a member can be told that is to be restored.
    package func validateRestoration() throws(ConfigurationError) {
        try check(
            "--name", name, !name.isEmpty && name.utf8.count <= NodeIdentity.nameBytesMax,
            "a name has 1 to 256 bytes", "Give each member a name of its own")
        try check(
            "--data-dir", dataDirectory, !dataDirectory.isEmpty, "no directory is given",
            "Name a directory that only this node uses")
        try validateMembers()
    }

    private func validateTLS() throws(ConfigurationError) {
        try check(
            "--tls-min-version", tlsMinimumVersion,
            TLSProfile.Version(rawValue: tlsMinimumVersion) != nil,
            "it must be TLS1.2 or TLS1.3", "The default is TLS1.2")
        try check(
            "--self-signed-cert-validity", "\(selfSignedYears)",
            (1...100).contains(selfSignedYears),
            "it must be from 1 to 100 years", "The default is 1")
        try clientTLS.validate(urlFlag: "--listen-client-urls", urls: listenClientURLs)
        try peerTLS.validate(urlFlag: "--listen-peer-urls", urls: listenPeerURLs)
        try httpTLSInForce.validate(urlFlag: "--listen-http-urls", urls: listenHTTPURLs)
        try peerTLS.validate(
            urlFlag: "--initial-advertise-peer-urls", urls: initialAdvertisePeerURLs)
        try peerTLS.validate(
            urlFlag: "--initial-cluster", urls: initialCluster.flatMap(\.peerURLs))
    }

    private func validateMembers() throws(ConfigurationError) {
        let text = initialCluster.map { "\($0.name)=\($0.peerURLs[0])" }.joined(separator: ",")
        guard let own = ownMember else {
            throw ConfigurationError(
                flag: "--initial-cluster", value: text,
                reason: "it does not name this member (--name \(name))",
                hint: "List every member, this one included, as name=peer URL")
        }
        try check(
            "--initial-advertise-peer-urls",
            initialAdvertisePeerURLs.map(\.description).joined(separator: ","),
            initialAdvertisePeerURLs.map(\.description).sorted()
                == own.peerURLs.map(\.description).sorted(),
            "--initial-cluster has \(own.peerURLs.map(\.description).joined(separator: ",")) for "
                + "\(name)", "Give both the same URLs")
        var seen: [String] = []
        for url in initialCluster.flatMap(\.peerURLs).map(\.description) {
            try check(
                "--initial-cluster", text, !seen.contains(url), "\(url) is there twice",
                "Give each member URLs of its own")
            seen.append(url)
        }
        try validateHTTP()
        for url in listenClientURLs
        where listenPeerURLs.contains(where: { $0.host == url.host && $0.port == url.port }) {
            throw ConfigurationError(
                flag: "--listen-client-urls", value: "\(url)",
                reason: "--listen-peer-urls has the same address",
                hint: "Clients and peers need a port each")
        }
    }

    /// Where others find the HTTP surfaces; nil where there are none. A node that listens on every
    /// address is found where its clients find it.
    var advertisedHTTPURL: ServiceURL? {
        guard var url = listenHTTPURLs.first else { return nil }
        if ["0.0.0.0", "::"].contains(url.host), let host = advertiseClientURLs.first?.host {
            url.host = host
        }
        return url
    }

    private func validateHTTP() throws(ConfigurationError) {
        let flag = "--listen-http-urls"
        let text = listenHTTPURLs.map(\.description).joined(separator: ",")
        try check(
            flag, text, listenHTTPURLs.count <= 1, "it has \(listenHTTPURLs.count) addresses",
            "Give one")
        for url in listenHTTPURLs {
            let others = listenClientURLs + listenPeerURLs
            try check(
                flag, text, !others.contains { $0.host == url.host && $0.port == url.port },
                "clients or peers have the same address", "Each needs a port of its own")
        }
    }

    private func check(
        _ flag: String, _ value: String, _ holds: Bool, _ reason: String, _ hint: String
    ) throws(ConfigurationError) {
        if !holds {
            throw ConfigurationError(flag: flag, value: value, reason: reason, hint: hint)
        }
    }
}
