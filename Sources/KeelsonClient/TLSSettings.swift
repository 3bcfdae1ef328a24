package import RPC

/// How a client speaks TLS to `https` endpoints.
///
/// The files are read once, when the ``Cluster`` is made; they are in PEM. TLS 1.2 and 1.3 are
/// spoken. A server's certificate must be for the host, or the IP address, that its endpoint names.
public struct TLSSettings: Equatable, Sendable {
    /// The certificates of the CAs that sign servers' certificates. Nil: those that the system
    /// trusts.
    public var caFile: String?
    /// What the client shows to servers that ask for a certificate, with its chain. Nil: nothing.
    /// Where the cluster has users, its common name says as whom it calls.
    public var certificateFile: String?
    /// The key of ``certificateFile``, without a passphrase. Both are given, or neither.
    public var keyFile: String?
    /// Takes any server for the right one. What is said stays hidden from whoever only listens, and
    /// from nobody else: for trying things out.
    public var skipsVerification = false

    public init(
        caFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil,
        skipsVerification: Bool = false
    ) {
        self.caFile = caFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.skipsVerification = skipsVerification
    }

    /// - Throws: ``ClusterError`` with the code `invalidTLSSettings`, which names the file.
    /// - Parameter protocols: what ALPN offers.
    package func load(protocols: [String] = ["h2"]) throws(ClusterError) -> ClientTLS {
        guard (certificateFile == nil) == (keyFile == nil) else {
            let given = certificateFile.map { "the certificate '\($0)' comes without its key" }
            throw ClusterError(
                .invalidTLSSettings,
                given ?? "the key '\(keyFile ?? "")' comes without its certificate")
        }
        do throws(TLSFileError) {
            return try ClientTLS(
                caPath: caFile, certificatePath: certificateFile, keyPath: keyFile,
                skipsVerification: skipsVerification, protocols: protocols)
        } catch {
            throw ClusterError(
                .invalidTLSSettings, "'\(error.path)' cannot be used: \(error.reason)")
        }
    }
}
