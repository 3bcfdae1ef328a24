import Logging
import NIOCore
import NIOSSL
import RPC
import Synchronization

/// TLS on one port: what its listeners and links share.
///
/// Files that change are read again for new handshakes; while they cannot be used, what was read
/// before stays in force.
final class TLSPort: Sendable {
    private struct State {
        var material: TLSMaterial
        var marks: [FileMark]
        var checkedAt: NIODeadline
        var refusals: TokenBucket
        var unsaidCount = 0
    }

    let source: TLSSource
    private let logger: Logger
    private let state: Mutex<State>

    /// Files are looked at so often at most, and only when somebody connects.
    static let checkInterval: TimeAmount = .seconds(1)

    /// - Throws: ``ConfigurationError``, which names the flag whose file cannot be used.
    init(_ source: TLSSource, logger: Logger) throws(ConfigurationError) {
        self.source = source
        self.logger = logger
        let marks = source.paths.map(FileMark.init)
        let material: TLSMaterial
        do throws(TLSFileError) { material = try source.load() } catch {
            throw source.flags.error(error)
        }
        state = Mutex(
            State(
                material: material, marks: marks, checkedAt: .now(),
                refusals: TokenBucket(burst: 20, perSecond: 1, now: .now())))
        Self.remark(on: material, source, logger)
    }

    /// What holds for a connection that opens now.
    private func current() -> TLSMaterial {
        state.withLock { state in
            let now = NIODeadline.now()
            guard state.checkedAt + Self.checkInterval <= now else { return state.material }
            state.checkedAt = now
            let marks = source.paths.map(FileMark.init)
            guard marks != state.marks else { return state.material }
            state.marks = marks
            do throws(TLSFileError) {
                state.material = try source.load()
                logger.notice(
                    "TLS files have changed: new connections use them",
                    metadata: ["certificate": "\(source.certificatePath)"])
                Self.remark(on: state.material, source, logger)
            } catch {
                logger.error(
                    "TLS files have changed and cannot be used: what was read before holds",
                    metadata: ["reason": "\(source.flags.error(error))"])
            }
            return state.material
        }
    }

    /// The last second in which this server's certificate holds, since 1970.
    var certificateEnd: Int { state.withLock { Int($0.material.leaf.notValidAfter) } }

    /// What an operator should know, although it is no reason to refuse the files.
    private static func remark(on material: TLSMaterial, _ source: TLSSource, _ logger: Logger) {
        if let reason = TLSReason.outOfTime(material.leaf) {
            logger.error(
                "this server's certificate is not valid now: others will refuse it",
                metadata: ["file": "\(source.certificatePath)", "reason": "\(reason)"])
        }
        for list in material.revocations where list.isOverdue {
            logger.warning(
                "a list of revocations is out of date; what it revokes is refused all the same",
                metadata: ["issuer": "\(list.issuer)"])
        }
    }

    // MARK: Connections

    /// Puts TLS under a connection that somebody opened.
    func accept(_ channel: any Channel) throws {
        let material = current()
        let pipeline = channel.pipeline.syncOperations
        let (handler, chain) = try ChainCheck.server(material.server, material.revocations)
        try pipeline.addHandler(handler)
        try pipeline.addHandler(
            CertificateGate(handler, chain, policy(material, dialled: nil)) { [self] in
                refused(channel, $0)
            })
    }

    /// Puts TLS under a connection that this node opens to `host`, whose certificate must be for
    /// that name or address.
    func dial(_ channel: any Channel, host: String) throws {
        let material = current()
        guard let context = material.client else { throw ChannelError.operationUnsupported }
        let pipeline = channel.pipeline.syncOperations
        let (handler, chain) = try ChainCheck.client(
            context, name: TLSClientHandlers.serverName(host), material.revocations)
        try pipeline.addHandler(handler)
        try pipeline.addHandler(
            CertificateGate(handler, chain, policy(material, dialled: host)) { _ in })
    }

    private func policy(_ material: TLSMaterial, dialled host: String?) -> CertificatePolicy {
        let flags = source.flags
        let isInbound = host == nil
        return CertificatePolicy(
            isVerified: isInbound
                ? flags.verifiesClients : flags.trustedCAPath != nil || !flags.isAutomatic,
            host: host, revocations: material.revocations,
            allowedNames: isInbound ? flags.allowedNames : [],
            allowedHosts: isInbound ? flags.allowedHosts : [])
    }

    /// Whom the certificate of a connection's other end is for, once the handshake is over. Nil:
    /// there is none that was verified. On the channel's event loop.
    static func verifiedSubject(of channel: any Channel) -> CertificateSubject? {
        (try? channel.pipeline.syncOperations.handler(type: CertificateGate.self))?.subject
    }

    /// For a listener of the client or the HTTP port. With `--client-cert-auth` a certificate's
    /// common name is a login, as in etcd.
    var rpcSecurity: RPCSecurity {
        let isLogin = source.flags.asksForCertificates
        return RPCSecurity(
            peerCommonName: { isLogin ? TLSPort.verifiedSubject(of: $0)?.commonName : nil }
        ) { [self] in try accept($0) }
    }

    /// A line for each refusal, but no more than one a second in the long run: strangers must not
    /// fill the log.
    private func refused(_ channel: any Channel, _ reason: String) {
        let unsaid: Int? = state.withLock { state in
            guard state.refusals.take(now: .now()) else {
                state.unsaidCount += 1
                return nil
            }
            defer { state.unsaidCount = 0 }
            return state.unsaidCount
        }
        guard let unsaid else { return }
        var metadata: Logger.Metadata = [
            "from": "\(channel.remoteAddress.map { "\($0)" } ?? "somebody")",
            "port": "\(source.flags.portName)", "reason": "\(reason)",
        ]
        if unsaid > 0 { metadata["more that were not logged"] = "\(unsaid)" }
        logger.warning("refused a TLS connection", metadata: metadata)
    }
}
