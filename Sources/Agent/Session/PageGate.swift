internal import API
internal import AgentLogic
internal import KeelsonClient
internal import NIOCore
internal import RPC

/// Asks the cluster, as the agent's own user, who may see the agent's pages, and remembers for a
/// moment who may. Where nobody can say so, nobody may.
///
/// Confined to the session's event loop, hence `@unchecked Sendable`.
final class PageGate: @unchecked Sendable {
    /// How long leave is taken for granted that somebody had.
    private static let knownFor = TimeAmount.seconds(5)
    private static let knownMax = 1_000
    /// Requests that wait for the cluster's word, and for how long.
    private static let outstandingMax = 64
    /// Of them, those from one address: who asks without end does not shut out the others.
    private static let outstandingPerPeerMax = 8
    private static let patience = Duration.seconds(5)
    private static let authorizationBytesMax = 12 << 10

    private unowned let session: AgentSession
    private var cluster: Cluster?
    /// Of what was let through.
    private var known: [String: NIODeadline] = [:]
    private var outstanding = 0
    private var outstandingByPeer: [String: Int] = [:]

    init(_ session: AgentSession) { self.session = session }

    func admit(
        _ request: HTTP1Request, to page: AgentPage
    ) -> EventLoopFuture<AgentPageVerdict> {
        let loop = session.loop
        let given = request.headers.filter { $0.name.lowercased() == "authorization" }
            .map(\.value)
        let key = ([page.rawValue] + given).joined(separator: "\n")
        if let until = known[key], until > .now() {
            return loop.makeSucceededFuture(AgentPageVerdict(status: 200))
        }
        guard key.utf8.count <= Self.authorizationBytesMax else {
            return loop.makeSucceededFuture(
                AgentPageVerdict(status: 401, message: "The Authorization header is too long"))
        }
        let peer = request.connection.peerAddress?.ipAddress ?? ""
        guard outstanding < Self.outstandingMax,
            outstandingByPeer[peer, default: 0] < Self.outstandingPerPeerMax
        else {
            return loop.makeSucceededFuture(
                AgentPageVerdict(status: 429, message: "Too many requests wait to be judged"))
        }
        let cluster: Cluster
        do throws(ClusterError) { cluster = try client() } catch {
            return loop.makeSucceededFuture(Self.unknown(error))
        }
        let question = AgentPageQuestion(
            agent: session.agentID?.text ?? "", page: page.rawValue, authorization: given)
        outstanding += 1
        outstandingByPeer[peer, default: 0] += 1
        return loop.makeFutureWithTask { await Self.ask(question, cluster) }.map { verdict in
            self.outstanding -= 1
            self.outstandingByPeer[peer, default: 1] -= 1
            if self.outstandingByPeer[peer] == 0 { self.outstandingByPeer[peer] = nil }
            if verdict.status == 200 { self.remember(key) }
            return verdict
        }
    }

    private static func ask(
        _ question: AgentPageQuestion, _ cluster: Cluster
    ) async -> AgentPageVerdict {
        do throws(ClusterError) {
            return try await cluster.judge(question, timeout: patience)
        } catch {
            return unknown(error)
        }
    }

    private static func unknown(_ error: ClusterError) -> AgentPageVerdict {
        AgentPageVerdict(
            status: 503,
            message: "No server of the cluster says who may see this agent's pages: "
                + error.message)
    }

    private func client() throws(ClusterError) -> Cluster {
        if let cluster { return cluster }
        let settings = session.settings
        var options = Cluster.Options()
        options.credentials = settings.credentials
        if settings.tls != TLSSettings() { options.tls = settings.tls }
        let made = try Cluster(
            endpoints: settings.endpoints, options: options, on: session.loop)
        cluster = made
        return made
    }

    /// Not for longer than that: there are passwords among them.
    private func remember(_ key: String) {
        if known.count >= Self.knownMax { known = [:] }
        let until = NIODeadline.now() + Self.knownFor
        known[key] = until
        session.loop.assumeIsolated().scheduleTask(deadline: until) { [weak self] in
            if let self, known[key] == until { known[key] = nil }
        }
    }
}
