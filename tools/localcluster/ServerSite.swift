/// Where a server of a ``ServerCluster`` runs: without one, on the loopback, with its data in the
/// cluster's folder.
package struct ServerSite: Sendable {
    /// The address that it listens on for clients and peers.
    package var host = "127.0.0.1"
    /// What it is started through, such as `ip netns exec NAME`. It must become the server itself,
    /// not its parent.
    package var launcher: [String] = []
    package var dataDirectory: String?
    /// What its URLs begin with; `https` needs flags for certificates.
    package var clientScheme = "http"
    package var peerScheme = "http"
    /// Flags for this server alone.
    package var arguments: [String] = []

    package init() {}
}
