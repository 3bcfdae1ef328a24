package import Logging
import NIOCore
package import RPC
import Synchronization

/// How a server speaks TLS to agents, whose files it fetches for the dashboard: whom it trusts, and
/// what it shows to those that ask for a certificate.
///
/// Files that change are read again; while they cannot be used, what was read before stays in
/// force.
package final class AgentTrust: Sendable {
    private struct State {
        var tls: ClientTLS?
        var marks: [FileMark] = []
        var checkedAt: NIODeadline?
    }

    /// Nil: those that the system trusts.
    private let caPath: String?
    private let certificatePath: String?
    private let keyPath: String?
    private let logger: Logger
    private let state = Mutex(State())

    package static let flag = "--agent-trusted-ca-file"

    /// - Throws: ``ConfigurationError`` where the flag's file cannot be used. What other flags name
    ///   is read when an agent asks for it.
    init(_ configuration: ServerConfiguration, logger: Logger) throws(ConfigurationError) {
        let client = configuration.clientTLS
        caPath = configuration.agentTrustedCAPath ?? client.trustedCAPath
        certificatePath = client.hasCertificate ? client.certificatePath : nil
        keyPath = client.hasCertificate ? client.keyPath : nil
        self.logger = logger
        guard let path = configuration.agentTrustedCAPath else { return }
        do throws(TLSFileError) { _ = try TLSFiles.certificates(at: path) } catch {
            throw ConfigurationError(
                flag: Self.flag, value: path, reason: error.reason,
                hint: "Check the file and who may read it")
        }
    }

    /// TLS towards the agent at `host`, whose certificate must have that name or address.
    func security(for host: String) throws(TLSFileError) -> RPCSecurity {
        try current().security(for: host)
    }

    private func current() throws(TLSFileError) -> ClientTLS {
        let result: Result<ClientTLS, TLSFileError> = state.withLock { state in
            let now = NIODeadline.now()
            if let tls = state.tls, let checkedAt = state.checkedAt,
                checkedAt + TLSPort.checkInterval > now
            {
                return .success(tls)
            }
            state.checkedAt = now
            let paths = [caPath, certificatePath, keyPath].compactMap(\.self)
            let marks = paths.map(FileMark.init)
            if let tls = state.tls, marks == state.marks { return .success(tls) }
            do throws(TLSFileError) {
                let tls = try ClientTLS(
                    caPath: caPath, certificatePath: certificatePath, keyPath: keyPath,
                    skipsVerification: false, protocols: ["http/1.1"])
                state.tls = tls
                state.marks = marks
                return .success(tls)
            } catch {
                guard let tls = state.tls else { return .failure(error) }
                state.marks = marks
                logger.error(
                    "TLS files have changed and cannot be used: what was read before holds",
                    metadata: ["port": "agents", "reason": "\(error)"])
                return .success(tls)
            }
        }
        return try result.get()
    }
}

extension TLSFlags {
    /// TLS of an agent's own port; nil for plaintext.
    /// - Throws: ``ConfigurationError``, which names the flag that cannot be used.
    package func agentSecurity(
        _ url: ServiceURL, logger: Logger
    ) throws(ConfigurationError) -> RPCSecurity? {
        try validate(urlFlag: "--listen-url", urls: [url])
        ServerTLS.warn(self, [url], logger)
        guard url.isSecure, let certificatePath, let keyPath else { return nil }
        let source = TLSSource(
            flags: self, certificatePath: certificatePath, keyPath: keyPath, minimum: .tls12,
            protocols: ["http/1.1"])
        return try TLSPort(source, logger: logger).rpcSecurity
    }
}
