internal import API
internal import NIOCore
internal import RPC
internal import StateMachine

/// keelson.AgentPort: says to agents who may see what they serve, by the same leave as on the HTTP
/// port, and gives users tickets for it.
///
/// Confined to the facade's event loop, hence `@unchecked Sendable`. The facade outlives it.
final class AgentPortService: @unchecked Sendable {
    private unowned let facade: any DatacenterFacade
    private let callers: CallerDesk
    private let mayBeAgent: (ServerCall) -> RPCStatus?

    /// - Parameter mayBeAgent: why a call may not be an agent's; nil where it may.
    init(
        facade: any DatacenterFacade, callers: CallerDesk,
        mayBeAgent: @escaping (ServerCall) -> RPCStatus?
    ) {
        self.facade = facade
        self.callers = callers
        self.mayBeAgent = mayBeAgent
    }

    func stop() { callers.stop() }

    func register(in routes: inout RPCRoutes) {
        routes.unary(AgentPort.judgePath) { self.judge($0, $1) }
        routes.unary(AgentPort.ticketPath) { self.ticket($0, $1) }
    }

    private func ticket(_ call: ServerCall, _ body: [UInt8]) {
        guard let agent = AgentPort.ticketText(body) else { return call.finish(.malformed) }
        do throws(AccessRefusal) {
            let caller = Caller(principal: call.principal)
            let ticket = try facade.ticket(of: caller, forAgent: agent)
            call.respond(AgentPort.ticketAnswer(ticket ?? ""))
        } catch {
            call.finish(RPCStatus(.failedPrecondition, error.message))
        }
    }

    private func judge(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = mayBeAgent(call) { return call.finish(refusal) }
        guard let question = AgentPageQuestion(body), let page = AgentPage(rawValue: question.page)
        else { return call.finish(.malformed) }
        if question.authorization.count == 1, let given = question.authorization.first,
            given.hasPrefix(AgentPort.scheme)
        {
            let ticket = given.dropFirst(AgentPort.scheme.count)
            return judge(call, ticket, question.agent, page, hasWaited: false)
        }
        callers.admit(
            GivenCredentials(authorization: question.authorization), commonName: nil,
            from: call.place, page.needs
        ).whenSuccess { found in
            switch found {
            case .success: self.answer(call, nil)
            case .failure(let refusal): self.answer(call, refusal)
            }
        }
    }

    private func judge(
        _ call: ServerCall, _ ticket: Substring, _ agent: String, _ page: AgentPage,
        hasWaited: Bool
    ) {
        guard facade.asksWhoCalls else { return answer(call, nil) }
        let users = facade.store.auth
        let now = WallClock.milliseconds() / 1000
        if let user = AgentTicket.user(of: ticket, agent: agent, in: users, now: now) {
            let caller = Caller(principal: .user(user, authRevision: users.revision))
            return answer(call, callers.refusal(of: caller, page.needs))
        }
        if hasWaited || !AgentTicket.mayCount(ticket, now: now) { return answer(call, .wrong) }
        // It may have been issued by a server that is ahead of this one.
        facade.catchUp { [weak self] _ in
            self?.judge(call, ticket, agent, page, hasWaited: true)
        }
    }

    private func answer(_ call: ServerCall, _ refusal: AccessRefusal?) {
        guard call.isOpen else { return }
        let verdict = AgentPageVerdict(
            status: refusal?.status ?? 200, message: refusal?.message ?? "")
        call.respond(verdict.encoded)
    }
}
