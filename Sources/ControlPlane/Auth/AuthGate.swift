internal import API
internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine

/// Finds out who calls, and lets nobody pass who may not call at all. What a caller may do with
/// keys is for the services to ask, of ``StateMachine/Grants``.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class AuthGate: @unchecked Sendable {
    /// Who may call a method.
    enum Admission: Equatable {
        /// Anybody; a stream that looks at each of its messages by itself, too.
        case anybody
        /// Any user, while authentication is on.
        case users
        /// Users with the role `root`.
        case administrators
    }

    /// Who a token says calls.
    private enum Finding {
        case found(CallIdentity)
        /// The node has not applied so far: it may know the token then.
        case notYet
        /// It is to be verified whether anybody has signed it.
        case unverified(JSONWebToken, Bytes)
        case unknown
    }

    private unowned let node: any NodeFacade
    private var tokens: TokenTable
    /// Nil: tokens are not signed, the log announces them.
    private let signed: JWTTable?
    /// Whether this node, since it started, has applied everything that was committed when it was
    /// asked for. Until then it knows who may do what only as of its checkpoint.
    private var isCurrent = false

    init(node: any NodeFacade, timeToLive: TimeAmount, signing: JWTKeyFiles?) {
        self.node = node
        tokens = TokenTable(timeToLive: timeToLive)
        signed = signing.map { JWTTable(files: $0, eventLoop: node.eventLoop) }
    }

    /// The methods that are not for administrators only: what is not named here is.
    private static let admissions: [String: Admission] = {
        let users = [
            "KV/Range", "KV/RangeStream", "KV/Put", "KV/DeleteRange", "KV/Txn",
            "Lease/LeaseGrant", "Lease/LeaseRevoke", "Lease/LeaseTimeToLive",
            "Lease/LeaseLeases", "Cluster/MemberList", "Maintenance/Status",
            "Maintenance/Alarm", "Auth/UserGet", "Auth/RoleGet",
        ]
        let anybody = [
            "Watch/Watch", "Lease/LeaseKeepAlive", "Auth/Authenticate", "Auth/AuthStatus",
        ]
        var table: [String: Admission] = [:]
        for name in users { table["/etcdserverpb." + name] = .users }
        for name in anybody { table["/etcdserverpb." + name] = .anybody }
        for name in ["Lock", "Unlock"] { table["/v3lockpb.Lock/" + name] = .users }
        for name in ["Campaign", "Proclaim", "Leader", "Observe", "Resign"] {
            table["/v3electionpb.Election/" + name] = .users
        }
        for name in ["Check", "Watch", "List"] {
            table["/grpc.health.v1.Health/" + name] = .anybody
        }
        for path in ReflectionService.paths { table[path] = .anybody }
        // Which users, the service asks itself.
        for path in [AgentService.path, AgentPort.judgePath, AgentPort.ticketPath] {
            table[path] = .users
        }
        return table
    }()

    static func admission(to path: String) -> Admission { admissions[path] ?? .administrators }

    /// The routes with the gate before them.
    func guarding(_ routes: RPCRoutes) -> RPCRoutes {
        routes.guarded { path in
            let admission = AuthGate.admission(to: path)
            return RPCRoutes.Guard(
                isOpen: { [unowned self] in isCurrent && !node.store.auth.isEnabled },
                admit: { [unowned self] call, pass in
                    let judge = { [unowned self] in
                        guard node.store.auth.isEnabled else { return pass() }
                        admit(call, admission, pass)
                    }
                    if isCurrent || AuthGate.tellsNoSecrets(path) { return judge() }
                    becomeCurrent(call, judge)
                })
        }
    }

    /// Tokens of the log that a start goes through again are as good as forgotten: how old they are
    /// nobody knows.
    func applied(_ batch: [Applied]) {
        for applied in batch {
            switch applied.authChange {
            case .issued(let token) where isCurrent && signed == nil: tokens.add(token, now: .now())
            case .disabled: tokens.removeAll()
            case .issued, .table, nil: break
            }
        }
    }

    /// What an operator asks of a node that has not found its cluster yet.
    private static func tellsNoSecrets(_ path: String) -> Bool {
        path.hasPrefix("/grpc.health.v1.Health/") || path == "/etcdserverpb.Maintenance/Status"
            || ReflectionService.paths.contains(path)
    }

    private func becomeCurrent(_ call: ServerCall, _ then: @escaping () -> Void) {
        becomeCurrent { failure in
            guard call.isOpen else { return }
            if let failure { return call.finish(failure.status) }
            then()
        }
    }

    /// Calls back at once where this node knows who may do what, and otherwise once it does, with
    /// nil, or with why it does not yet.
    func becomeCurrent(_ done: @escaping (ReadFailure?) -> Void) {
        if isCurrent { return done(nil) }
        node.linearizableRead { [weak self] failure in
            if failure == nil { self?.isCurrent = true }
            done(failure)
        }
    }

    // MARK: Tokens on other ports

    /// For whom a token is, for those who do not come over the client port. May call back at once.
    /// - Parameter place: from where it is asked, such as the client's address.
    func identify(
        token: String, from place: String, _ done: @escaping (TokenOwner) -> Void
    ) {
        conclude(find(token: token), token, from: place, hasWaited: false, done)
    }

    private func conclude(
        _ finding: Finding, _ token: String, from place: String, hasWaited: Bool,
        _ done: @escaping (TokenOwner) -> Void
    ) {
        switch finding {
        case .found(.user(let name, let revision)): done(.user(name, authRevision: revision))
        case .notYet where !hasWaited:
            node.linearizableRead { [weak self] failure in
                guard let self, failure == nil else { return done(.unavailable) }
                conclude(find(token: token), token, from: place, hasWaited: true, done)
            }
        case .unverified(let claimed, let digest):
            let isTaken = signed?.verify(claimed, digest, from: place) { [weak self] claims in
                guard let self else { return done(.unavailable) }
                let finding = claims.map(identify) ?? .unknown
                conclude(finding, token, from: place, hasWaited: hasWaited, done)
            }
            if isTaken != true { done(.busy) }
        case .found(.unknown), .unknown, .notYet: done(.nobody)
        }
    }

    private func admit(
        _ call: ServerCall, _ admission: Admission, hasWaited: Bool = false,
        _ pass: @escaping () -> Void
    ) {
        judge(call, admission, find(call), hasWaited: hasWaited, pass)
    }

    private func judge(
        _ call: ServerCall, _ admission: Admission, _ finding: Finding?, hasWaited: Bool,
        _ pass: @escaping () -> Void
    ) {
        switch finding {
        case .found(let identity): call.identity = identity
        case .notYet where !hasWaited:
            return node.linearizableRead { [weak self] failure in
                guard let self, call.isOpen else { return }
                if let failure { return call.finish(failure.status) }
                admit(call, admission, hasWaited: true, pass)
            }
        case .unverified(let token, let digest):
            let isTaken = signed?.verify(token, digest, from: call.place) { [weak self] claims in
                guard let self, call.isOpen else { return }
                let finding = claims.map(identify) ?? .unknown
                judge(call, admission, finding, hasWaited: hasWaited, pass)
            }
            if isTaken != true { call.finish(.tooManyRequests) }
            return
        case .unknown, .notYet:
            // Who logs in again still sends the token that does not count any more.
            if admission != .anybody { return call.finish(.invalidAuthToken) }
            call.identity = .unknown
        case nil: break
        }
        if let refusal = refusal(call, admission) { return call.finish(refusal) }
        pass()
    }

    private func refusal(_ call: ServerCall, _ admission: Admission) -> RPCStatus? {
        do throws(StoreError) {
            switch admission {
            case .anybody: break
            case .users: try node.store.requireUser(call.principal)
            case .administrators: try node.store.requireAdmin(call.principal)
            }
            return nil
        } catch {
            return error.status
        }
    }

    /// Who calls: by the call's token, or else by the name in a certificate that was verified. Nil
    /// where there is neither. The gateway's own connections have no certificate, so that nobody
    /// is taken for the server.
    private func find(_ call: ServerCall) -> Finding? {
        guard var given = call.metadata("token") ?? call.metadata("authorization") else {
            return call.peerCommonName.map {
                .found(.user(Array($0.utf8), revision: node.store.auth.revision))
            }
        }
        if given.hasPrefix("Bearer ") { given.removeFirst("Bearer ".utf8.count) }
        return find(token: given)
    }

    private func find(token given: String) -> Finding {
        if let signed { return find(given, in: signed) }
        guard let text = TokenText(given) else { return .unknown }
        guard let token = tokens.use(text.digest, now: .now()) else {
            let isAhead = text.index > node.appliedIndex.rawValue
            return isAhead && text.index <= node.committedIndex.rawValue + Self.entriesAheadMax
                ? .notYet : .unknown
        }
        guard let user = node.store.auth.user(token.user),
            user.identityRevision == token.identityRevision
        else { return .unknown }
        return .found(.user(token.user, revision: node.store.auth.revision))
    }

    private func find(_ given: String, in signed: JWTTable) -> Finding {
        guard let digest = JSONWebToken.digest(of: given) else { return .unknown }
        if let claims = signed.known(digest) { return identify(claims) }
        return JSONWebToken(given).map { .unverified($0, digest) } ?? .unknown
    }

    /// Whom a token that was signed is for now. One from before its user had the present identity
    /// is for nobody; one of a revision that this node has not reached is from a member that is
    /// ahead of it.
    private func identify(_ claims: JWTClaims) -> Finding {
        guard claims.count(at: Double(WallClock.milliseconds()) / 1000) else { return .unknown }
        let auth = node.store.auth
        if claims.revision > auth.revision { return .notYet }
        guard let user = auth.user(claims.user), user.identityRevision <= claims.revision else {
            return .unknown
        }
        return .found(.user(claims.user, revision: auth.revision))
    }

    /// A token that claims to be further ahead of this node is made up.
    private static let entriesAheadMax: UInt64 = 1 << 20
}

/// For whom a token is.
package enum TokenOwner: Equatable, Sendable {
    case user([UInt8], authRevision: UInt64)
    case nobody
    /// Too many tokens wait to be verified.
    case busy
    /// The node cannot find out now: nobody leads, say.
    case unavailable
}

extension ServerCall {
    /// On whose behalf the call asks.
    var principal: Principal {
        switch identity {
        case .user(let name, let revision): .user(name, authRevision: revision)
        case .unknown, nil: .anonymous
        }
    }
}

extension NodeFacade {
    /// What a call may do now, or why it may do nothing.
    func grants(of call: ServerCall) -> Result<Grants, RPCStatus> {
        guard store.auth.isEnabled else { return .success(.everything) }
        if call.identity == .unknown { return .failure(.invalidAuthToken) }
        do throws(StoreError) {
            return .success(try store.grants(of: call.principal))
        } catch {
            return .failure(error.status)
        }
    }
}

extension RPCStatus {
    static let invalidAuthToken = RPCStatus(
        .unauthenticated, "etcdserver: invalid auth token")
}
