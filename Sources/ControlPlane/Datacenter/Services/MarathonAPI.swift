internal import API
internal import HTTPTypes
internal import NIOCore
internal import Scheduling
internal import StateMachine

/// Marathon's API: any node answers what only reads, with all that was acknowledged before; what
/// changes something is the leader's, and so is what only its scheduler knows.
struct MarathonAPI: Sendable {
    enum Reply: Sendable {
        case answer(SurfaceAnswer)
        /// A stream of events of these types, behind the last one that the client has.
        case events([String], after: UInt64?)
    }

    let access: DeskAccess
    let settings: SurfaceSettings
    let identity: MasterIdentity

    /// What version of Marathon's API is spoken: clients parse it.
    private static let version = "1.11.0"

    /// - Parameter path: decoded, and below Marathon's root.
    func reply(_ request: SurfaceRequest, path: String) async throws -> Reply {
        guard let query = request.query else {
            return .answer(Self.refusal(400, "The query is not percent-encoded as it should be"))
        }
        let call = MarathonRequest(request.method, path, query: query, body: request.body)
        let route = MarathonRoute(path: path)
        let isRead = ["GET", "HEAD"].contains(request.method)
        if !isRead || route == .queue {
            if let elsewhere = try await elsewhere(request) { return .answer(elsewhere) }
        } else if route?.readsRecords ?? false {
            guard try await access.runAsync({ $0.catchUp() }) else {
                return .answer(Self.unavailable("No leader to ask whether this node is up to date"))
            }
        }
        let surface = try await surface(withExplanations: route == .queue)
        switch surface.reply(call) {
        case .answer(let answer):
            // A refusal tells what there is.
            if !isRead { try await access.require(request.caller, AccessNeed.readServices) }
            return .answer(SurfaceAnswer(answer))
        case .events(let types):
            let last = request.header(.lastEventID)
            let after = last.flatMap { MarathonEvent.index(lastEventID: $0) }
            return .events(types, after: after)
        case .command(let command, let after):
            let caller = request.caller
            let refusal = try await access.run { desk in
                desk.callers.refusal(of: caller, command.needs(in: desk.facade.table))
            }
            if let refusal { throw refusal }
            return .answer(try await perform(command, after))
        }
    }

    private func surface(withExplanations: Bool) async throws -> MarathonSurface {
        let here = identity.place
        let (view, leader) = try await access.run { desk in
            (
                MarathonSnapshot.view(of: desk.facade, withExplanations: withExplanations),
                MarathonSnapshot.leader(of: desk.facade, here: here)
            )
        }
        return MarathonSurface(view, leader: leader, version: Self.version)
    }

    private func perform(
        _ command: ServiceCommand, _ after: MarathonAfter
    ) async throws -> SurfaceAnswer {
        let outcome = try await access.runAsync { $0.operateInTime(.service(command)) }
        let view = try await access.run { MarathonSnapshot.view(of: $0.facade) }
        var answer = SurfaceAnswer(MarathonSurface.finish(after, outcome, view))
        // Nothing was changed: the client may come back, and not at once.
        if outcome == .refused(nil) { answer.headers[.retryAfter] = "1" }
        return answer
    }

    private func elsewhere(_ request: SurfaceRequest) async throws -> SurfaceAnswer? {
        switch try await access.runAsync({ $0.leadership.ask() }) {
        case .here: nil
        case .there(let place): .redirect(to: place, request.target)
        case .nobody(let reason): Self.unavailable(reason)
        }
    }

    private static func refusal(_ status: Int, _ message: String) -> SurfaceAnswer {
        SurfaceAnswer(MarathonAnswer(MarathonRefusal(status, message)))
    }

    private static func unavailable(_ message: String) -> SurfaceAnswer {
        var answer = refusal(503, message)
        answer.headers[.retryAfter] = "1"
        return answer
    }
}

extension HTTPField.Name {
    fileprivate static let lastEventID = HTTPField.Name("Last-Event-ID") ?? .contentType
}

extension MarathonRoute {
    /// Whether an answer is made of what the cluster agreed on.
    fileprivate var readsRecords: Bool {
        switch self {
        case .apps, .app, .appsBelow, .appTasks, .versions, .version, .groups, .group,
            .groupVersions, .tasks, .deployments, .metrics:
            true
        case .ping, .restart, .appTask, .killTasks, .deployment, .queue, .delay, .leader, .info,
            .events, .pods, .podStatuses, .plugins, .eventSubscriptions:
            false
        }
    }
}

extension DatacenterDesk {
    func catchUp() -> EventLoopFuture<Bool> {
        let promise = facade.eventLoop.makePromise(of: Bool.self)
        facade.catchUp { promise.succeed($0) }
        return promise.futureResult
    }

    /// What nothing is heard of in time may take effect still.
    func operateInTime(_ call: OperatorCall) -> EventLoopFuture<DecisionOutcome> {
        let promise = facade.eventLoop.makePromise(of: DecisionOutcome.self)
        let deadline = facade.eventLoop.scheduleTask(in: .seconds(settings.decisionSeconds)) {
            promise.succeed(.unknown)
        }
        facade.operate(call) { outcome in
            deadline.cancel()
            promise.succeed(outcome)
        }
        return promise.futureResult
    }
}

extension SurfaceAnswer {
    init(_ answer: MarathonAnswer) {
        let body = answer.text.map { Array($0.utf8) } ?? answer.body?.bytes ?? []
        self.init(status: answer.status, body: body)
        if answer.text != nil {
            headers[.contentType] = "text/plain; charset=utf-8"
        } else if answer.body != nil {
            headers[.contentType] = MesosContentType.json.rawValue
        }
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
    }
}
