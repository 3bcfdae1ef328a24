internal import NIOCore
package import NIOSSL

/// A certificate with its key, and where they are from.
package struct TLSIdentity: Sendable {
    package let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
    let certificatePath: String
    let keyPath: String

    package init(certificatePath: String, keyPath: String) throws(TLSFileError) {
        chain = try TLSFiles.certificates(at: certificatePath)
        key = try TLSFiles.key(at: keyPath)
        self.certificatePath = certificatePath
        self.keyPath = keyPath
    }
}

/// What every TLS connection of Keelson has in common.
package enum TLSProfile {
    package enum Version: String, Sendable, CaseIterable {
        case tls12 = "TLS1.2"
        case tls13 = "TLS1.3"
    }

    /// Whom the other side must be.
    package enum Trust: Sendable {
        /// Nobody in particular.
        case anybody
        /// Somebody whose certificate one of these signed.
        case roots([NIOSSLCertificate])
        /// Somebody whose certificate the system trusts.
        case system
    }

    /// How long a side that closes waits for the other one's good-bye.
    private static let shutdownTime: TimeAmount = .seconds(1)

    /// Of TLS 1.2, the suites that RFC 9113 appendix A does not prohibit: with forward secrecy, and
    /// authenticated encryption. TLS 1.3 has no others.
    private static let ciphers: [NIOTLSCipher] = [
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]

    /// Cost: milliseconds; with ``Trust/system``, reading all that the system trusts.
    ///
    /// - Parameters:
    ///   - trust: whose certificates clients must have; with ``Trust/anybody``, none is asked for.
    ///   - protocols: what ALPN offers; empty for none.
    package static func serverContext(
        _ identity: TLSIdentity, trust: Trust, minimum: Version, protocols: [String]
    ) throws(TLSFileError) -> NIOSSLContext {
        var made = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.chain.map { .certificate($0) },
            privateKey: .privateKey(identity.key))
        made.certificateVerification = .noHostnameVerification
        // Lets a client with several certificates choose.
        made.sendCANameList = true
        apply(trust, minimum, protocols, to: &made)
        return try context(made, identity)
    }

    /// - Parameter identity: what is shown to a server that asks.
    package static func clientContext(
        _ identity: TLSIdentity?, trust: Trust, minimum: Version, protocols: [String]
    ) throws(TLSFileError) -> NIOSSLContext {
        var made = TLSConfiguration.makeClientConfiguration()
        if let identity {
            made.certificateChain = identity.chain.map { .certificate($0) }
            made.privateKey = .privateKey(identity.key)
        }
        apply(trust, minimum, protocols, to: &made)
        return try context(made, identity)
    }

    private static func apply(
        _ trust: Trust, _ minimum: Version, _ protocols: [String], to made: inout TLSConfiguration
    ) {
        switch trust {
        case .anybody:
            made.certificateVerification = .none
            made.sendCANameList = false
        case .roots(let roots): made.trustRoots = .certificates(roots)
        case .system: made.trustRoots = .default
        }
        switch minimum {
        case .tls12: made.minimumTLSVersion = .tlsv12
        case .tls13: made.minimumTLSVersion = .tlsv13
        }
        made.cipherSuiteValues = ciphers
        made.applicationProtocols = protocols
        made.shutdownTimeout = shutdownTime
    }

    private static func context(
        _ configuration: TLSConfiguration, _ identity: TLSIdentity?
    ) throws(TLSFileError) -> NIOSSLContext {
        do { return try NIOSSLContext(configuration: configuration) } catch {
            guard let identity else {
                // Nothing but the system's own trusted certificates was to be read.
                throw .noCertificate(path: "the system's trusted certificates")
            }
            throw .keyMismatch(key: identity.keyPath, certificate: identity.certificatePath)
        }
    }
}
