internal import API
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import Monitoring
internal import NIOCore

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
        var surface = SurfaceRequest(
            method: method, target: target, headers: request.headers, body: [])
        let allowed = route.methods
        guard allowed.contains(method) else {
            return try await write(
                .methodNotAllowed(allowed, got: method), writer, channel, method)
        }
        let step: Step
        do {
            step = try await bodies.read(request.body, max: settings.bodyBytesMax) { body in
                surface.body = body
                return try await self.step(route, surface)
            }
        } catch let refusal as MesosRefusal {
            step = .answer(SurfaceAnswer(refusal))
        }
        let identity = self.identity.with { $0 }
        switch step {
        case .answer(let answer): try await write(answer, writer, channel, method)
        case .subscribeScheduler(let checked):
            try await SchedulerSubscription(
                access: access, identity: identity, checked: checked, target: target
            ).run(writer, channel, settings)
        case .subscribeOperator(let encoding):
            try await OperatorSubscription(access: access, encoding: encoding)
                .run(writer, channel, settings)
        case .streamDashboard:
            try await DashboardStream(access: access).run(writer, channel, settings)
        case .subscribeEvents(let types, let after):
            try await MarathonSubscription(access: access, types: types, after: after)
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
        if !route.isForEverybody, try await access.run({ $0.facade.asksWhoCalls }) {
            return .answer(.unauthorized)
        }
        switch route {
        case .scheduler:
            let checked = try SchedulerAPI.check(request)
            if checked.call.type == .subscribe { return .subscribeScheduler(checked) }
            let api = SchedulerAPI(access: access, logger: logger)
            return .answer(try await api.answer(checked, request))
        case .operators:
            let checked = try OperatorAPI.check(request)
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
        DashboardAPI(access: access, showsKeys: settings.showsKeys)
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
    /// What tells nothing of the cluster but who leads.
    var isForEverybody: Bool {
        switch self {
        case .legacy(let endpoint): [.health, .version, .redirect].contains(endpoint)
        case .dashboard(let page): page.isForEverybody
        case .marathon(let path): MarathonRoute(path: path) == .ping
        case .prometheus: true
        case .scheduler, .operators, .own, .admin: false
        }
    }

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
