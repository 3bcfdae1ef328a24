internal import ControlPlane
internal import Foundation

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
        if let level = value("--log-level", command.logLevel) { made.logLevel = level }
        return made
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
