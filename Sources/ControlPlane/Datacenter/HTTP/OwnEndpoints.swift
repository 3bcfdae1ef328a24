internal import API
internal import NIOCore
internal import Scheduling
internal import StateMachine

/// `/keelson/v1/…`: what operators of this master ask, and Mesos has no call for. The leader
/// answers.
enum OwnEndpoint: String, Sendable {
    /// `?framework=ID` or `?agent=ID`: why there are no offers.
    case explain
    /// A form with `framework`, `task` and, in milliseconds, `grace`.
    case kill
    /// Those that are neither answered nor taken back.
    case offers

    var methods: [String] {
        switch self {
        case .explain, .offers: ["GET", "HEAD"]
        case .kill: ["POST"]
        }
    }
}

struct OwnEndpoints: Sendable {
    let operators: OperatorAPI

    func answer(_ endpoint: OwnEndpoint, _ request: SurfaceRequest) async throws -> SurfaceAnswer {
        if let elsewhere = try await operators.elsewhere(request) { return elsewhere }
        switch endpoint {
        case .explain: return try await explain(request)
        case .kill: return try await kill(request)
        case .offers: return try await offers()
        }
    }

    // MARK: - Why there are no offers

    private func explain(_ request: SurfaceRequest) async throws -> SurfaceAnswer {
        let now = NIODeadline.now().uptimeNanoseconds / 1_000_000
        if let id = request.parameter("framework") {
            let found = try await operators.access.run {
                $0.facade.explain(framework: FrameworkID(id))
            }
            guard let found else { return .text(404, "there is no framework \(id)") }
            return .json(Self.body(found, now))
        }
        if let id = request.parameter("agent") {
            let found = try await operators.access.run { $0.facade.explain(agent: AgentID(id)) }
            guard let found else { return .text(404, "there is no agent \(id)") }
            return .json(Self.body(found, now))
        }
        return .text(400, "Expecting 'framework=ID' or 'agent=ID' in query.")
    }

    private static func body(_ explanation: FrameworkExplanation, _ now: UInt64) -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("framework", explanation.framework.description)
            writer.field("offersOutstanding", explanation.offersOutstanding)
            writer.array("roles", of: explanation.roles) { writer, role in
                writer.field("role", role.role.text)
                writer.field("offerableAgents", role.offerable)
                writer.array("obstacles", of: role.counts) { writer, count in
                    writer.field("why", count.obstacle.text)
                    writer.field("agents", count.agents)
                    writer.field("firstAgent", count.firstAgent.description)
                    write(count.until, now, &writer)
                }
            }
        }
    }

    private static func body(_ explanation: AgentExplanation, _ now: UInt64) -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("agent", explanation.agent.description)
            writer.field("free", explanation.free.description)
            writer.array("frameworks", of: explanation.lines) { writer, line in
                writer.field("framework", line.framework.description)
                writer.field("role", line.role.text)
                writer.field("isOfferable", line.obstacle == nil)
                writer.field("why", ifSet: line.obstacle?.text)
                write(line.until, now, &writer)
            }
        }
    }

    private static func write(_ until: UInt64?, _ now: UInt64, _ writer: inout JSONWriter) {
        if let until { writer.field("forMilliseconds", until > now ? until - now : 0) }
    }

    // MARK: - Offers

    private func offers() async throws -> SurfaceAnswer {
        let now = NIODeadline.now().uptimeNanoseconds / 1_000_000
        let (offers, times, table) = try await operators.access.run { desk in
            (desk.facade.offers(), desk.facade.offerTimes(), desk.facade.table)
        }
        return .json(
            JSONWriter.object { writer in
                writer.array("offers", of: offers) { writer, offer in
                    writer.field("id", "\(offer.id)")
                    writer.field("framework", "\(offer.framework)")
                    writer.field("agent", "\(offer.agent)")
                    writer.field("role", offer.role.text)
                    writer.field("resources", offer.resources.description)
                    let since = times[offer.id] ?? now
                    writer.field("forMilliseconds", now > since ? now - since : 0)
                    let name = table.frameworks[offer.framework].map { $0.record.info }
                    writer.field("frameworkName", ifSet: name.map(Self.name(ofFramework:)))
                }
            })
    }

    private static func name(ofFramework info: [UInt8]) -> String {
        MesosConversion.decoded(MesosFrameworkInfo.self, info).name
    }

    // MARK: - The end of a task

    private func kill(_ request: SurfaceRequest) async throws -> SurfaceAnswer {
        let form = String(decoding: request.body, as: UTF8.self)
        guard let framework = FormFields.first("framework", in: form),
            let task = FormFields.first("task", in: form)
        else { return .text(400, "Expecting 'framework=ID&task=ID' in the request's body") }
        let grace = FormFields.first("grace", in: form) ?? "0"
        guard let milliseconds = UInt64(grace), milliseconds <= 86_400_000 else {
            return .text(400, "'\(grace.prefix(32))' is no grace in milliseconds, of a day at most")
        }
        let key = TaskKey(FrameworkID(framework), TaskID(task))
        let isLive = try await operators.access.run { desk in
            desk.facade.table.tasks[key]?.holdsResources
        }
        guard let isLive else { return .text(404, "there is no task \(key)") }
        guard isLive else { return .text(409, "task \(key) has ended") }
        return try await operators.kill(key, graceMilliseconds: milliseconds)
    }
}

extension Obstacle {
    fileprivate var text: String {
        switch self {
        case .agentDeactivated: "the agent is deactivated"
        case .agentDraining: "the agent is being drained"
        case .agentUnreachable: "the agent is unreachable"
        case .frameworkInactive: "the framework is not connected"
        case .roleSuppressed: "the framework has suppressed offers"
        case .tooManyOffers: "the framework has not answered the offers that it has"
        case .needsGPUCapability: "the agent has GPUs, the framework does not use them"
        case .otherRegion: "the agent is in another region"
        case .constraintNotMet: "the framework's constraints exclude the agent"
        case .noFreeResources: "nothing is free"
        case .reservedToOthers: "what is free is reserved to other roles"
        case .quotaLimitReached: "the role's quota is used up"
        case .keptForGuarantees: "what is free is kept for other roles' guarantees"
        case .filtered: "the framework has declined it"
        }
    }
}
