internal import ControlPlane
internal import Foundation
internal import Primitives
internal import Replication

/// The server's flags together with the environment, as a configuration.
struct ServerFlags {
    private let command: ServerCommand
    private let environment: [String: String]

    init(
        _ command: ServerCommand,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        self.command = command
        self.environment = environment
    }

    /// Flags that etcd takes with a value too, as in `--client-cert-auth=true`.
    private static let truths = [
        "--client-cert-auth", "--auto-tls", "--peer-client-cert-auth", "--peer-auto-tls",
    ]

    /// The server's words with those flags as they are without a value.
    static func withoutTruth(_ words: [String]) -> [String] {
        guard words.first == "server" else { return words }
        return words.compactMap { word in
            // It takes a value, for what is not said is as on the client port.
            if word == "--http-client-cert-auth" { return word + "=true" }
            guard let flag = truths.first(where: { word.hasPrefix($0 + "=") }) else { return word }
            switch word.dropFirst(flag.count + 1) {
            case "true", "1": return flag
            case "false", "0": return nil
            default: return word
            }
        }
    }

    func configuration() throws(ConfigurationError) -> ServerConfiguration {
        var made = ServerConfiguration()
        if let name = value("--name", command.name) { made.name = name }
        made.dataDirectory = value("--data-dir", command.dataDir) ?? "\(made.name).keelson"
        if let urls = try urls("--listen-client-urls", command.listenClientUrls) {
            made.listenClientURLs = urls
        }
        made.advertiseClientURLs =
            try urls("--advertise-client-urls", command.advertiseClientUrls)
            ?? made.listenClientURLs
        if let urls = try urls("--listen-peer-urls", command.listenPeerUrls) {
            made.listenPeerURLs = urls
        }
        if let urls = try urls("--listen-http-urls", command.listenHttpUrls) {
            made.listenHTTPURLs = urls
        }
        made.initialAdvertisePeerURLs =
            try urls("--initial-advertise-peer-urls", command.initialAdvertisePeerUrls)
            ?? made.listenPeerURLs
        if let token = value("--initial-cluster-token", command.initialClusterToken) {
            made.initialClusterToken = token
        }
        if let state = value("--initial-cluster-state", command.initialClusterState) {
            made.initialClusterState = state
        }
        let alone = "\(made.name)=\(made.initialAdvertisePeerURLs[0])"
        try made.setInitialCluster(value("--initial-cluster", command.initialCluster) ?? alone)
        try setNumbers(&made)
        if let mode = value("--auto-compaction-mode", command.autoCompactionMode) {
            made.autoCompactionMode = mode
        }
        if let keep = value("--auto-compaction-retention", command.autoCompactionRetention) {
            made.autoCompactionRetention = keep
        }
        if let keep = value("--record-history-retention", command.recordHistoryRetention) {
            made.recordHistoryRetention = keep
        }
        if let policy = value("--rejoin-policy", command.rejoinPolicy) {
            guard let known = RejoinPolicy(rawValue: policy) else {
                throw ConfigurationError(
                    flag: "--rejoin-policy", value: policy, reason: "it must be never or auto",
                    hint: "The default is never")
            }
            made.rejoinPolicy = known
        }
        if let level = value("--log-level", command.logLevel) { made.logLevel = level }
        if let token = value("--auth-token", command.authToken) { made.authToken = token }
        if let target = value("--trace-export", command.traceExport) { made.traceExport = target }
        if let name = value("--trace-service-name", command.traceServiceName) {
            made.traceServiceName = name
        }
        try setTLS(&made)
        return made
    }

    private func setTLS(_ made: inout ServerConfiguration) throws(ConfigurationError) {
        let client = command.clientTLS
        made.clientTLS.certificatePath = value("--cert-file", client.certFile)
        made.clientTLS.keyPath = value("--key-file", client.keyFile)
        made.clientTLS.trustedCAPath = value("--trusted-ca-file", client.trustedCaFile)
        made.clientTLS.asksForCertificates = try isOn("--client-cert-auth", client.clientCertAuth)
        made.clientTLS.allowedHosts = list(
            "--client-cert-allowed-hostname", client.clientCertAllowedHostname)
        made.clientTLS.revocationListPath = value("--client-crl-file", client.clientCrlFile)
        made.clientTLS.isAutomatic = try isOn("--auto-tls", client.autoTls)
        made.agentTrustedCAPath = value("--agent-trusted-ca-file", command.agentTrustedCaFile)
        try setHTTPTLS(&made)
        let peer = command.peerTLS
        made.peerTLS.certificatePath = value("--peer-cert-file", peer.peerCertFile)
        made.peerTLS.keyPath = value("--peer-key-file", peer.peerKeyFile)
        made.peerTLS.trustedCAPath = value("--peer-trusted-ca-file", peer.peerTrustedCaFile)
        made.peerTLS.asksForCertificates = try isOn(
            "--peer-client-cert-auth", peer.peerClientCertAuth)
        made.peerTLS.allowedNames = list("--peer-cert-allowed-cn", peer.peerCertAllowedCn)
        made.peerTLS.allowedHosts = list(
            "--peer-cert-allowed-hostname", peer.peerCertAllowedHostname)
        made.peerTLS.revocationListPath = value("--peer-crl-file", peer.peerCrlFile)
        made.peerTLS.isAutomatic = try isOn("--peer-auto-tls", peer.peerAutoTls)
        if let version = value("--tls-min-version", command.tlsMinVersion) {
            made.tlsMinimumVersion = version
        }
        if let years = try number("--self-signed-cert-validity", command.selfSignedCertValidity) {
            made.selfSignedYears = years
        }
    }

    private func setHTTPTLS(_ made: inout ServerConfiguration) throws(ConfigurationError) {
        let http = command.httpTLS
        made.httpTLS.certificatePath = value("--http-cert-file", http.httpCertFile)
        made.httpTLS.keyPath = value("--http-key-file", http.httpKeyFile)
        made.httpTLS.trustedCAPath = value("--http-trusted-ca-file", http.httpTrustedCaFile)
        made.httpTLS.revocationListPath = value("--http-crl-file", http.httpCrlFile)
        let flag = "--http-client-cert-auth"
        if let text = value(flag, http.httpClientCertAuth) {
            made.httpAsksForCertificates = try truth(text, flag)
        }
    }

    private func list(_ flag: String, _ given: String?) -> [String] {
        (value(flag, given) ?? "").split(separator: ",").map(String.init)
    }

    /// A flag without a value; in the environment it is true or false.
    private func isOn(_ flag: String, _ given: Bool) throws(ConfigurationError) -> Bool {
        guard !given, let text = value(flag, nil) else { return given }
        return try truth(text, flag)
    }

    private func truth(_ text: String, _ flag: String) throws(ConfigurationError) -> Bool {
        switch text.lowercased() {
        case "true", "1": return true
        case "false", "0", "": return false
        default:
            throw ConfigurationError(
                flag: flag, value: text, reason: "it is neither true nor false",
                hint: "The flag itself takes no value")
        }
    }

    private func setNumbers(_ made: inout ServerConfiguration) throws(ConfigurationError) {
        if let number = try number("--heartbeat-interval", command.heartbeatInterval) {
            made.heartbeatMilliseconds = number
        }
        if let number = try number("--election-timeout", command.electionTimeout) {
            made.electionMilliseconds = number
        }
        if let number = try number("--snapshot-count", command.snapshotCount) {
            made.snapshotCount = number
        }
        if let number = try number("--quota-backend-bytes", command.quotaBackendBytes) {
            made.quotaBytes = number == 0 ? made.quotaBytes : Int64(number)
        }
        if let number = try number("--max-request-bytes", command.maxRequestBytes) {
            made.maxRequestBytes = number
        }
        if let number = try number("--max-txn-ops", command.maxTxnOps) { made.maxTxnOps = number }
        if let number = try number(
            "--slow-request-log-threshold", command.slowRequestLogThreshold)
        {
            made.slowRequestMilliseconds = number
        }
        if let number = try number(
            "--trace-sampling-per-million", command.traceSamplingPerMillion)
        {
            made.traceSamplingPerMillion = number
        }
        if let number = try number("--replace-dead-member-after", command.replaceDeadMemberAfter) {
            made.replaceDeadSeconds = number
        }
        // Not for users, hence no flag.
        if let number = try number("--feature-level", nil) {
            made.featureLevel = FeatureLevel(UInt16(clamping: number))
        }
    }

    private func value(_ flag: String, _ given: String?) -> String? {
        let variable =
            "KEELSON_" + flag.dropFirst(2).uppercased().replacingOccurrences(of: "-", with: "_")
        return given ?? environment[variable]
    }

    private func urls(
        _ flag: String, _ given: String?
    ) throws(ConfigurationError) -> [ServiceURL]? {
        guard let text = value(flag, given) else { return nil }
        return try ServiceURL.list(text, flag: flag)
    }

    private func number(_ flag: String, _ given: String?) throws(ConfigurationError) -> Int? {
        guard let text = value(flag, given) else { return nil }
        guard let number = Int(text) else {
            throw ConfigurationError(
                flag: flag, value: text, reason: "it is not a whole number",
                hint: "See keelson server --help for the default")
        }
        return number
    }
}
