extension ServerConfiguration {
    /// The TLS flags of the HTTP port: its own, and the client port's for what is not given.
    ///
    /// A certificate and its key belong together, and so does what says whose certificates are
    /// asked for: each of the two is taken as a whole.
    package var httpTLSInForce: TLSFlags {
        var flags = httpTLS
        if flags.certificatePath == nil, flags.keyPath == nil {
            flags.certificatePath = clientTLS.certificatePath
            flags.keyPath = clientTLS.keyPath
            flags.isAutomatic = clientTLS.isAutomatic
        }
        if httpAsksForCertificates == false {
            flags.trustedCAPath = nil
            flags.revocationListPath = nil
            flags.asksForCertificates = false
        } else if flags.trustedCAPath == nil {
            flags.trustedCAPath = clientTLS.trustedCAPath
            flags.revocationListPath = flags.revocationListPath ?? clientTLS.revocationListPath
            flags.allowedHosts = clientTLS.allowedHosts
            flags.asksForCertificates = httpAsksForCertificates ?? clientTLS.asksForCertificates
        } else {
            flags.asksForCertificates = httpAsksForCertificates ?? false
        }
        return flags
    }

    /// Whether the HTTP port speaks TLS, and shows nothing to those who have no certificate.
    var httpVerifiesClients: Bool {
        listenHTTPURLs.allSatisfy(\.isSecure) && httpTLSInForce.verifiesClients
    }
}
