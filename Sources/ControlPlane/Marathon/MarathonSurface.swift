package import Scheduling
package import StateMachine

/// A whole answer.
package struct MarathonAnswer: Equatable, Sendable {
    package var status: Int
    package var headers: [String: String] = [:]
    package var body: MarathonJSON?
    /// Where it is no JSON.
    package var text: String?

    package init(_ status: Int, _ body: MarathonJSON? = nil) {
        self.status = status
        self.body = body
    }

    package init(_ refusal: MarathonRefusal) { self.init(refusal.status, refusal.body) }
}

/// What a request comes to.
package enum MarathonReply: Equatable, Sendable {
    case answer(MarathonAnswer)
    /// To be decided by the leader, and answered by ``MarathonSurface/finish(_:_:_:)``.
    case command(ServiceCommand, MarathonAfter)
    /// A stream of events of these types; none: of all.
    case events([String])
}

/// How a command is answered that was decided.
package enum MarathonAfter: Equatable, Sendable {
    case createdApp(ServiceID)
    case deployment(status: Int)
    /// The tasks as they were, unless a deployment began.
    case killed(MarathonJSON)
    case empty(status: Int)
}

/// Marathon's API over the records: everything but sockets and the log.
package struct MarathonSurface: Sendable {
    private let view: MarathonView
    private let requests: MarathonRequests
    /// `host:port` of whoever leads.
    private let leader: String?
    private let version: String

    package init(_ view: MarathonView, leader: String?, version: String) {
        self.view = view
        self.leader = leader
        self.version = version
        requests = MarathonRequests(view.services)
    }

    package func reply(_ request: MarathonRequest) -> MarathonReply {
        guard let route = MarathonRoute(path: request.path) else {
            return .answer(MarathonAnswer(404, .object(("message", "HTTP 404 Not Found"))))
        }
        do throws(MarathonRefusal) {
            switch request.method {
            case "GET", "HEAD": return try read(route, request)
            case "POST": return try post(route, request)
            case "PUT", "PATCH": return try put(route, request)
            case "DELETE": return try delete(route, request)
            default: throw Self.notAllowed
            }
        } catch {
            return .answer(MarathonAnswer(error))
        }
    }

    private static let notAllowed = MarathonRefusal(405, "HTTP 405 Method Not Allowed")

    /// The answer to a command that was decided.
    /// - Parameter view: after it was applied.
    package static func finish(
        _ after: MarathonAfter, _ outcome: DecisionOutcome, _ view: MarathonView
    ) -> MarathonAnswer {
        do throws(MarathonRefusal) {
            let begun = try MarathonRequests.answer(outcome)
            var answer: MarathonAnswer
            switch after {
            case .createdApp(let id):
                answer = MarathonAnswer(201, view.app(id) ?? .object([]))
                answer.headers["Location"] = "/v2/apps/\(id.path.text)"
            case .deployment(let status): answer = MarathonAnswer(status, begun?.body)
            case .killed(let tasks): answer = MarathonAnswer(200, begun?.body ?? tasks)
            case .empty(let status): answer = MarathonAnswer(status)
            }
            if let begun { answer.headers["Marathon-Deployment-Id"] = begun.deployment.description }
            return answer
        } catch {
            return MarathonAnswer(error)
        }
    }

    // MARK: - Reads

    private func read(
        _ route: MarathonRoute, _ request: MarathonRequest
    ) throws(MarathonRefusal) -> MarathonReply {
        switch route {
        case .ping:
            var answer = MarathonAnswer(200)
            answer.text = "pong"
            return .answer(answer)
        case .apps: return .answer(apps(below: .root, request))
        case .appsBelow(let id): return .answer(apps(below: id, request))
        case .app(let id):
            guard let app = view.app(id, withTasks: true) else {
                throw MarathonRefusal(.unknownService(id))
            }
            return Self.ok(.object(("app", app)))
        case .appTasks(let id):
            try expect(id)
            return Self.ok(.object(("tasks", .list(view.tasks(of: id)))))
        case .versions(let id):
            guard let versions = view.versions(of: id) else {
                throw MarathonRefusal(.unknownService(id))
            }
            return Self.ok(versions)
        case .version(let id, let text):
            guard let number = ServiceTimestamp.parse(text),
                let app = view.version(number, of: id)
            else { throw MarathonRefusal(404, "App '\(id)' has no version '\(text)'") }
            return Self.ok(app)
        case .groups: return Self.ok(view.group(.root) ?? .object([]))
        case .group(let id):
            guard let group = view.group(id) else { throw MarathonRefusal(.unknownGroup(id)) }
            return Self.ok(group)
        case .groupVersions(let id):
            guard let group = view.group(id) else { throw MarathonRefusal(.unknownGroup(id)) }
            return Self.ok(.list([group["version"] ?? .null]))
        case .tasks: return Self.ok(.object(("tasks", .list(tasks(request)))))
        case .deployments: return Self.ok(.list(view.deployments()))
        case .queue: return Self.ok(view.queue())
        case .events: return .events(request.values("event_type"))
        case .leader, .info, .metrics, .pods, .podStatuses, .plugins, .eventSubscriptions:
            return try readServer(route)
        case .restart, .appTask, .killTasks, .deployment, .delay: throw Self.notAllowed
        }
    }

    private func readServer(_ route: MarathonRoute) throws(MarathonRefusal) -> MarathonReply {
        switch route {
        case .leader:
            guard let leader else { throw MarathonRefusal(404, "There is no leader") }
            return Self.ok(MarathonView.leader(leader))
        case .info: return Self.ok(view.info(leader: leader, version: version))
        case .pods, .podStatuses: return Self.ok([])
        case .plugins: return Self.ok(.object(("plugins", [])))
        case .eventSubscriptions: return Self.ok(.object(("callbackUrls", [])))
        case .metrics:
            return Self.ok(
                .object(
                    ("apps", .integer(Int64(view.services.serviceIDs.count))),
                    ("instances", .integer(Int64(view.services.instances.count))),
                    ("deployments", .integer(Int64(view.services.deploymentIDs.count)))))
        case .ping, .apps, .app, .appsBelow, .restart, .appTasks, .appTask, .versions, .version,
            .groups, .group, .groupVersions, .tasks, .killTasks, .deployments, .deployment, .queue,
            .delay, .events:
            throw Self.notAllowed
        }
    }

    private static func ok(_ body: MarathonJSON) -> MarathonReply {
        .answer(MarathonAnswer(200, body))
    }

    private func expect(_ id: ServiceID) throws(MarathonRefusal) {
        if view.services.services[id] == nil { throw MarathonRefusal(.unknownService(id)) }
    }

    private func apps(below path: ServiceID, _ request: MarathonRequest) -> MarathonAnswer {
        let embeds = request.values("embed")
        let withTasks = embeds.contains { ["app.tasks", "apps.tasks"].contains($0) }
        let names = request.values("id")
        let commands = request.values("cmd")
        let labels = request.values("label").compactMap { MarathonLabelSelector($0) }
        let found = view.services.services(below: path).filter { id in
            guard let definition = view.services.services[id]?.latest?.definition else {
                return false
            }
            return names.allSatisfy { id.path.text.contains($0) }
                && commands.allSatisfy { (definition.command?.text ?? "").contains($0) }
                && labels.allSatisfy { $0.matches(definition.labels) }
        }
        return MarathonAnswer(
            200,
            .object(
                ("apps", .list(found.compactMap { view.app($0, withTasks: withTasks) }))))
    }

    private func tasks(_ request: MarathonRequest) -> [MarathonJSON] {
        let wanted = (request.values("status") + request.values("status[]")).compactMap {
            ["running": "TASK_RUNNING", "staging": "TASK_STAGING"][$0]
        }
        if wanted.isEmpty { return view.tasks() }
        return view.tasks().filter { task in
            wanted.contains { task["state"] == .text($0) }
        }
    }

    // MARK: - Changes

    private func post(
        _ route: MarathonRoute, _ request: MarathonRequest
    ) throws(MarathonRefusal) -> MarathonReply {
        let isForced = request.flag("force")
        switch route {
        case .apps:
            let (id, command) = try requests.createApp(request.body, isForced: isForced)
            return .command(command, .createdApp(id))
        case .restart(let id):
            try expect(id)
            let change = ServiceChange([.restart(id)], isForced: isForced)
            return .command(.change(change), .deployment(status: 200))
        case .groups:
            let (_, command) = try requests.createGroup(request.body, isForced: isForced)
            return .command(command, .deployment(status: 201))
        case .killTasks:
            return kill(try MarathonRequests.taskIDs(request.body), of: nil, request)
        case .ping, .metrics, .app, .appsBelow, .appTasks, .appTask, .versions, .version, .group,
            .groupVersions, .tasks, .deployments, .deployment, .queue, .delay, .leader, .info,
            .events, .pods, .podStatuses, .plugins, .eventSubscriptions:
            throw Self.notAllowed
        }
    }

    private func put(
        _ route: MarathonRoute, _ request: MarathonRequest
    ) throws(MarathonRefusal) -> MarathonReply {
        let isForced = request.flag("force")
        let isPartial = request.method == "PATCH" || request.flag("partialUpdate", default: true)
        let command: ServiceCommand
        switch route {
        case .apps:
            command = try requests.updateApps(
                request.body, isPartial: isPartial, isForced: isForced)
        case .app(let id):
            command = try requests.updateApp(
                id, request.body, isPartial: isPartial, isForced: isForced)
        case .groups:
            command = try requests.updateGroup(.root, request.body, isForced: isForced)
        case .group(let id):
            command = try requests.updateGroup(id, request.body, isForced: isForced)
        case .ping, .metrics, .appsBelow, .restart, .appTasks, .appTask, .versions, .version,
            .groupVersions, .tasks, .killTasks, .deployments, .deployment, .queue, .delay, .leader,
            .info, .events, .pods, .podStatuses, .plugins, .eventSubscriptions:
            throw Self.notAllowed
        }
        return .command(command, .deployment(status: 200))
    }

    private func delete(
        _ route: MarathonRoute, _ request: MarathonRequest
    ) throws(MarathonRefusal) -> MarathonReply {
        let isForced = request.flag("force")
        switch route {
        case .app(let id):
            try expect(id)
            let change = ServiceChange([.remove(id)], isForced: isForced)
            return .command(.change(change), .deployment(status: 200))
        case .appTasks(let id):
            try expect(id)
            return kill(view.services.services[id]?.instances ?? [], of: id, request)
        case .appTask(let id, let task):
            try expect(id)
            guard view.services.instances[task]?.service == id else {
                throw MarathonRefusal(404, "Task '\(task)' does not exist")
            }
            let reply = kill([task], of: id, request)
            // One by one, they are answered so.
            guard case .command(let command, .killed) = reply else { return reply }
            let json = view.task(json: task) ?? .object(("id", .text(task.description)))
            return .command(command, .killed(.object(("task", json))))
        case .groups: return .command(try remove(.root, isForced), .deployment(status: 200))
        case .group(let id): return .command(try remove(id, isForced), .deployment(status: 200))
        case .deployment(let text):
            guard let id = DeploymentID(text), view.services.deployments[id] != nil else {
                throw MarathonRefusal(404, "DeploymentPlan \(text) does not exist")
            }
            if isForced { return .command(.cancel(id), .empty(status: 202)) }
            return .command(.rollBack(id), .deployment(status: 200))
        case .delay(let id):
            try expect(id)
            return .command(.resetDelay(id), .empty(status: 204))
        case .leader:
            throw MarathonRefusal(
                501, "Leadership is moved with 'keelson move-leader', for the cluster as a whole")
        case .ping, .metrics, .apps, .appsBelow, .restart, .versions, .version, .groupVersions,
            .tasks, .killTasks, .deployments, .queue, .info, .events, .pods, .podStatuses,
            .plugins, .eventSubscriptions:
            throw Self.notAllowed
        }
    }

    private func remove(
        _ id: ServiceID, _ isForced: Bool
    ) throws(MarathonRefusal) -> ServiceCommand {
        try requests.removeGroup(id, isForced: isForced)
    }

    /// - Parameter id: of whose tasks; nil: of any app's.
    private func kill(
        _ instances: [InstanceID], of id: ServiceID?, _ request: MarathonRequest
    ) -> MarathonReply {
        let hosts = request.values("host")
        let wanted = instances.filter { instance in
            if hosts.isEmpty { return true }
            let host = view.task(json: instance)?["host"]
            return hosts.contains { host == .text($0) }
        }
        // What is beyond one entry is for the next call.
        let batch = Array(wanted.prefix(ServiceLimits.batchMax))
        let command = requests.killTasks(
            batch, of: id, scales: request.flag("scale"), isForced: request.flag("force"))
        let tasks = batch.compactMap { view.task(json: $0) }
        return .command(command, .killed(.object(("tasks", .list(tasks)))))
    }
}

/// One label that is asked for: `name`, `name==value` or `name!=value`.
struct MarathonLabelSelector: Equatable, Sendable {
    let name: String
    let value: String?
    let isNegated: Bool

    init?(_ text: String) {
        for (mark, isNegated) in [("==", false), ("!=", true)] {
            let parts = text.split(separator: mark, maxSplits: 1)
            guard parts.count == 2 else { continue }
            name = String(parts[0])
            value = String(parts[1])
            self.isNegated = isNegated
            return
        }
        guard !text.isEmpty else { return nil }
        (name, value, isNegated) = (text, nil, false)
    }

    func matches(_ labels: [ServiceDefinition.Pair]) -> Bool {
        let found = labels.first { $0.name.text == name }?.value.text
        guard let value else { return found != nil }
        return (found == value) != isNegated
    }
}
