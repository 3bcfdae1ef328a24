import RPC

/// The TLS flags of one port, as etcd has them.
package struct TLSFlags: Equatable, Sendable {
    package enum Port: Sendable {
        case client
        case peer
        /// The datacenter's HTTP port.
        case http
        /// An agent's own.
        case agent
    }

    package let port: Port
    package var certificatePath: String?
    package var keyPath: String?
    package var trustedCAPath: String?
    package var revocationListPath: String?
    package var asksForCertificates = false
    /// Common names of which a certificate must have one; empty for any.
    package var allowedNames: [String] = []
    /// Hosts of which a certificate must have one; empty for any.
    package var allowedHosts: [String] = []
    /// Certificates are made that nobody has signed.
    package var isAutomatic = false

    /// The port, for logs and folders.
    var portName: String {
        switch port {
        case .client: "client"
        case .peer: "peer"
        case .http: "http"
        case .agent: "agent"
        }
    }

    package init(_ port: Port) { self.port = port }

    package enum Flag: String, Sendable {
        case certificate = "cert-file"
        case key = "key-file"
        case trustedCA = "trusted-ca-file"
        case clientAuth = "client-cert-auth"
        case revocationList = "crl-file"
        case allowedName = "cert-allowed-cn"
        case allowedHost = "cert-allowed-hostname"
        case automatic = "auto-tls"
    }

    /// The flag's name on the command line.
    package func name(_ flag: Flag) -> String {
        switch (port, flag) {
        case (.peer, _): "--peer-\(flag.rawValue)"
        // A certificate is made as for the client port.
        case (.http, .automatic): "--\(flag.rawValue)"
        case (.http, _): "--http-\(flag.rawValue)"
        case (_, .revocationList), (_, .allowedName), (_, .allowedHost):
            "--client-\(flag.rawValue)"
        case (.client, _), (.agent, _): "--\(flag.rawValue)"
        }
    }

    package var hasCertificate: Bool { certificatePath != nil && keyPath != nil }
    package var canServe: Bool { hasCertificate || isAutomatic }
    /// Whether whoever connects must show a certificate: a CA without `--client-cert-auth` asks for
    /// one as well. Source: etcd's `TLSInfo.ServerConfig`.
    package var verifiesClients: Bool { asksForCertificates || trustedCAPath != nil }

    /// - Parameters:
    ///   - urlFlag: where `urls` were given.
    ///   - urls: all addresses that are served, told or dialled on this port.
    func validate(urlFlag: String, urls: [ServiceURL]) throws(ConfigurationError) {
        try validatePairs()
        try need(.trustedCA, for: .clientAuth, if: asksForCertificates, "")
        try need(
            .trustedCA, for: .revocationList, if: revocationListPath != nil, path(.revocationList))
        try need(.trustedCA, for: .allowedName, if: !allowedNames.isEmpty, "")
        try need(.trustedCA, for: .allowedHost, if: !allowedHosts.isEmpty, "")
        if !allowedNames.isEmpty, !allowedHosts.isEmpty {
            throw ConfigurationError(
                flag: name(.allowedName), value: allowedNames.joined(separator: ","),
                reason: "\(name(.allowedHost)) is given too, and they exclude each other",
                hint: "Say which certificates are allowed by one of them")
        }
        if let url = urls.first(where: \.isSecure), !canServe {
            throw ConfigurationError(
                flag: urlFlag, value: "\(url)",
                reason: "https needs a certificate, and none is given",
                hint: "Give \(name(.certificate)) and \(name(.key))"
                    + (port == .agent ? "" : ", or \(name(.automatic))"))
        }
    }

    private func validatePairs() throws(ConfigurationError) {
        if let certificatePath, keyPath == nil {
            throw ConfigurationError(
                flag: name(.certificate), value: certificatePath,
                reason: "the certificate's key is not given",
                hint: "Name its file with \(name(.key))")
        }
        if let keyPath, certificatePath == nil {
            throw ConfigurationError(
                flag: name(.key), value: keyPath, reason: "the key's certificate is not given",
                hint: "Name its file with \(name(.certificate))")
        }
    }

    private func need(
        _ needed: Flag, for flag: Flag, if isGiven: Bool, _ value: String
    ) throws(ConfigurationError) {
        guard isGiven, trustedCAPath == nil else { return }
        throw ConfigurationError(
            flag: name(flag), value: value,
            reason: "without a CA no certificate can be verified",
            hint: "Name the file of the CA's certificate with \(name(needed))")
    }

    private func path(_ flag: Flag) -> String {
        flag == .revocationList ? revocationListPath ?? "" : ""
    }

    private func flag(of path: String) -> Flag {
        switch path {
        case certificatePath: .certificate
        case keyPath: .key
        case revocationListPath: .revocationList
        case trustedCAPath: .trustedCA
        default: .automatic
        }
    }

    /// Which flag named the file that cannot be used, and what to do.
    func error(_ error: TLSFileError) -> ConfigurationError {
        let flag: Flag
        let hint: String
        switch error {
        case .keyMismatch:
            flag = .key
            hint = "Give the key and the certificate of one pair"
        case .badRevocationList:
            flag = .revocationList
            hint = "Give a list in PEM or DER that a CA of \(name(.trustedCA)) has signed"
        case .noKey:
            flag = hasCertificate ? .key : .automatic
            hint = "Give the key's file as it is, without a passphrase"
        case .unreadable, .tooLarge, .noCertificate:
            flag = self.flag(of: error.path)
            hint = "Check the file and who may read it"
        }
        return ConfigurationError(
            flag: name(flag), value: error.path, reason: error.reason, hint: hint)
    }
}
