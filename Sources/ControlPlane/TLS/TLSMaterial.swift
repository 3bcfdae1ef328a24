import NIOSSL
import RPC

/// What one port's files hold, ready for handshakes.
struct TLSMaterial: Sendable {
    let server: NIOSSLContext
    /// For connections that this node opens. Nil: it opens none on this port.
    let client: NIOSSLContext?
    let revocations: [RevocationList]
    /// This node's own certificate.
    let leaf: NIOSSLCertificate
}

/// Which files, and how they are used.
struct TLSSource: Sendable {
    var flags: TLSFlags
    /// As given, or as made for `--auto-tls`.
    var certificatePath: String
    var keyPath: String
    var minimum: TLSProfile.Version
    /// What ALPN offers.
    var protocols: [String]

    var paths: [String] {
        [certificatePath, keyPath]
            + [flags.trustedCAPath, flags.revocationListPath].compactMap(\.self)
    }

    /// Cost: milliseconds, and a verified signature for each list of revocations.
    func load() throws(TLSFileError) -> TLSMaterial {
        let identity = try TLSIdentity(certificatePath: certificatePath, keyPath: keyPath)
        var roots: [NIOSSLCertificate]?
        if let path = flags.trustedCAPath { roots = try TLSFiles.certificates(at: path) }
        let server = try TLSProfile.serverContext(
            identity, trust: roots.map(TLSProfile.Trust.roots) ?? .anybody, minimum: minimum,
            protocols: protocols)
        var client: NIOSSLContext?
        if flags.port == .peer {
            // Peers that made their certificates themselves cannot be told apart.
            let trust =
                roots.map(TLSProfile.Trust.roots) ?? (flags.isAutomatic ? .anybody : .system)
            client = try TLSProfile.clientContext(
                identity, trust: trust, minimum: minimum, protocols: [])
        }
        var lists: [RevocationList] = []
        if let path = flags.revocationListPath {
            lists = try RevocationList.read(path, roots: roots ?? [])
        }
        return TLSMaterial(
            server: server, client: client, revocations: lists, leaf: identity.chain[0])
    }
}
