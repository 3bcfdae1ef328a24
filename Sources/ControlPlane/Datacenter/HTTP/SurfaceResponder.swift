internal import API
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import Monitoring
internal import NIOCore
internal import RPC

/// Reads a request, finds who answers it, and writes the answer.
final class SurfaceResponder: Sendable {
    private let access: DeskAccess
    private let settings: SurfaceSettings
    private let logger: Logger
    private let bodies: BodyBudget
    private let identity: LockedValue<MasterIdentity>

    init(_ access: DeskAccess, _ settings: SurfaceSettings, _ logger: Logger) {
        self.access = access
        self.settings = settings
        self.logger = logger
        bodies = BodyBudget(bytes: settings.bodiesBytesMax)
        let place = settings.advertised.map { ServicePlace(host: $0.host, port: $0.port) }
        identity = LockedValue(
            MasterIdentity(
                id: settings.memberName,
                place: place ?? ServicePlace(host: settings.host, port: settings.port),
                startTime: MasterIdentity.now))
    }

    /// The port is known once it listens.
    func serves(port: Int) {
        guard settings.advertised == nil else { return }
        identity.with { $0.place.port = port }
    }

    func respond(
        _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let target = request.head.path ?? "/"
        let method = request.method.rawValue
        guard let route = SurfaceRoute(path: target.prefix { $0 != "?" }) else {
            return try await write(
                .notFound(path: target.prefix { $0 != "?" }), writer, channel, method)
        }
        let allowed = route.methods
        guard allowed.contains(method) else {
            return try await write(
                .methodNotAllowed(allowed, got: method), writer, channel, method)
        }
        let isWrite = method != "GET" && method != "HEAD"
        if isWrite,
            SurfaceRequest.isOfAnotherSite(request.headers, authority: request.head.authority)
        {
            let text = "Requests of other sites' pages are refused"
            return try await write(.text(403, text), writer, channel, method)
        }
        var surface = SurfaceRequest(
            method: method, target: target, headers: request.headers, body: [])
        let rule = route.rule(method: method)
        let step: Step
        do {
            // Who may not call does not get to fill this node's memory.
            surface.caller = try await caller(rule, surface, channel)
            if rule == .nobodyIsAsked {
                step = try await self.step(route, surface)
            } else {
                step = try await bodies.read(request.body, max: settings.bodyBytesMax) { body in
                    surface.body = body
                    return try await self.step(route, surface)
                }
            }
        } catch let refusal as MesosRefusal {
            step = .answer(SurfaceAnswer(refusal))
        } catch let refusal as AccessRefusal {
            step = .answer(refusal.answer(to: route))
        }
        let needs = if case .needs(let needs) = rule { needs } else { AccessNeed.readState }
        let pass = StreamPass(access: access, caller: surface.caller, needs: needs)
        try await finish(step, pass, target, writer, channel, method)
    }

    /// Who calls, where that matters.
    /// - Throws: ``AccessRefusal`` where nobody who may is known to.
    private func caller(
        _ rule: AccessRule, _ request: SurfaceRequest, _ channel: any Channel
    ) async throws -> Caller {
        let needs: [AccessNeed]
        switch rule {
        case .nobodyIsAsked: return .anybody
        case .needs(let all): needs = all
        case .byContent: needs = []
        }
        let given = GivenCredentials(request.headers)
        let place = channel.remoteAddress?.ipAddress ?? ""
        let name = try await commonName(of: channel)
        let found = try await access.runAsync {
            $0.callers.admit(given, commonName: name, from: place, needs)
        }
        return try found.get()
    }

    /// Of a certificate that was verified, and counts as a login.
    private func commonName(of channel: any Channel) async throws -> String? {
        guard let security = settings.security else { return nil }
        return try await channel.eventLoop.submit { security.peerCommonName(channel) }.get()
    }

    private func finish(
        _ step: Step, _ pass: StreamPass, _ target: String, _ writer: consuming ResponseWriter,
        _ channel: any Channel, _ method: String
    ) async throws {
        let identity = self.identity.with { $0 }
        switch step {
        case .answer(let answer): try await write(answer, writer, channel, method)
        case .subscribeScheduler(let checked):
            try await SchedulerSubscription(
                access: access, pass: pass, identity: identity, checked: checked, target: target
            ).run(writer, channel, settings)
        case .subscribeOperator(let encoding):
            try await OperatorSubscription(access: access, pass: pass, encoding: encoding)
                .run(writer, channel, settings)
        case .streamDashboard:
            try await DashboardStream(access: access, pass: pass).run(writer, channel, settings)
        case .subscribeEvents(let types, let after):
            try await MarathonSubscription(access: access, pass: pass, types: types, after: after)
                .run(writer, channel, settings)
        }
    }

    private enum Step: Sendable {
        case answer(SurfaceAnswer)
        case subscribeScheduler(SchedulerAPI.Checked)
        case subscribeOperator(MesosMessage.Encoding)
        case streamDashboard
        case subscribeEvents([String], after: UInt64?)
    }

    private func step(_ route: SurfaceRoute, _ request: SurfaceRequest) async throws -> Step {
        switch route {
        case .scheduler:
            let checked = try SchedulerAPI.check(request)
            if checked.call.type == .subscribe { return .subscribeScheduler(checked) }
            let api = SchedulerAPI(access: access, logger: logger)
            return .answer(try await api.answer(checked, request))
        case .operators:
            let checked = try OperatorAPI.check(request)
            try await access.require(request.caller, checked.call.needs)
            if checked.call.type == .subscribe { return .subscribeOperator(checked.encoding) }
            return .answer(try await operators.answer(checked, request))
        case .legacy(let endpoint):
            let endpoints = LegacyEndpoints(operators: operators)
            return .answer(try await endpoints.answer(endpoint, request))
        case .own(let endpoint):
            let endpoints = OwnEndpoints(operators: operators)
            return .answer(try await endpoints.answer(endpoint, request))
        case .dashboard(.live) where request.method == "GET": return .streamDashboard
        case .dashboard(let page):
            return .answer(try await dashboard.answer(page, request))
        case .marathon(let path):
            let api = MarathonAPI(
                access: access, settings: settings, identity: identity.with { $0 })
            switch try await api.reply(request, path: path) {
            case .answer(let answer): return .answer(answer)
            case .events(let types, let after): return .subscribeEvents(types, after: after)
            }
        case .admin(let page):
            let router = AdminRouter(
                access: access, settings: settings, identity: identity.with { $0 })
            return .answer(try await router.answer(page, request))
        case .prometheus: return .answer(try await metrics())
        }
    }

    /// The same page as at the client port, and as open as that one.
    private func metrics() async throws -> SurfaceAnswer {
        let body = try await access.runAsync { desk in
            let page = desk.facade.eventLoop.makePromise(of: [UInt8].self)
            desk.facade.metrics { page.succeed($0) }
            return page.futureResult
        }
        var answer = SurfaceAnswer(status: 200, body: body)
        answer.headers[.contentType] = MetricsText.contentType
        return answer
    }

    private var dashboard: DashboardAPI {
        DashboardAPI(
            access: access, showsKeys: settings.showsKeys,
            scheme: settings.security == nil ? "http" : "https", agents: settings.agents)
    }

    private var operators: OperatorAPI {
        OperatorAPI(
            access: access, settings: settings, identity: identity.with { $0 }, logger: logger)
    }

    /// A reader that takes too long loses its connection.
    private func write(
        _ answer: SurfaceAnswer, _ writer: consuming ResponseWriter, _ channel: any Channel,
        _ method: String
    ) async throws {
        let deadline = channel.eventLoop.scheduleTask(in: .seconds(settings.answerSeconds)) {
            channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        try await answer.write(to: writer, withBody: method != "HEAD")
    }
}

extension SurfaceRoute {
    var methods: [String] {
        switch self {
        case .scheduler, .operators: ["POST"]
        case .dashboard: DashboardRoute.methods
        case .legacy(let endpoint): endpoint.methods
        case .own(let endpoint): endpoint.methods
        case .marathon: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        case .admin, .prometheus: ["GET", "HEAD"]
        }
    }
}
