package import Scheduling
package import StateMachine

/// What clients ask for, as commands: judged here as far as the records of the moment tell, and
/// again where they are applied.
package struct MarathonRequests: Sendable {
    let services: ServiceTable

    package init(_ services: ServiceTable) { self.services = services }

    static func parse(_ body: [UInt8]) throws(MarathonRefusal) -> MarathonJSON {
        do throws(MarathonJSONParser.Problem) {
            return try MarathonJSONParser.parse(body)
        } catch {
            throw MarathonRefusal(error)
        }
    }

    // MARK: - Apps

    /// `POST /v2/apps`
    package func createApp(
        _ body: [UInt8], isForced: Bool
    ) throws(MarathonRefusal) -> (id: ServiceID, command: ServiceCommand) {
        let definition = try MarathonAppDecoder.decode(try Self.parse(body))
        let change = ServiceChange([.put(definition, .none)], isForced: isForced)
        return (definition.id, .change(change))
    }

    /// `PUT` and `PATCH /v2/apps/{id}`
    /// - Parameter isPartial: what is not said stays as it is.
    package func updateApp(
        _ id: ServiceID, _ body: [UInt8], isPartial: Bool, isForced: Bool
    ) throws(MarathonRefusal) -> ServiceCommand {
        let part = try updateApp(try Self.parse(body), id, isPartial: isPartial, path: "")
        return .change(ServiceChange([part], isForced: isForced))
    }

    /// `PUT` and `PATCH /v2/apps`: several at once.
    package func updateApps(
        _ body: [UInt8], isPartial: Bool, isForced: Bool
    ) throws(MarathonRefusal) -> ServiceCommand {
        guard case .list(let apps) = try Self.parse(body) else {
            throw MarathonRefusal(problems: [ServiceProblem("", "error.expected.jsarray")])
        }
        var change = ServiceChange([], isForced: isForced)
        for (place, app) in apps.prefix(ServiceLimits.changesMax + 1).enumerated() {
            change.parts.append(
                try updateApp(app, nil, isPartial: isPartial, path: "(\(place))"))
        }
        return .change(change)
    }

    private func updateApp(
        _ json: MarathonJSON, _ id: ServiceID?, isPartial: Bool, path: String
    ) throws(MarathonRefusal) -> ServiceChange.Part {
        var named = id
        if named == nil, case .text(let text)? = json["id"] {
            named = MarathonPath.resolve(text)
        }
        let known = named.flatMap { services.services[$0] }
        let basis = known.map { ServiceChange.Basis.version($0.record.latest) } ?? .none
        if let known, let version = try earlierVersion(json, of: known) {
            return .put(version, basis)
        }
        let definition = try MarathonAppDecoder.decode(
            json, id: named, over: isPartial ? known?.latest?.definition : nil, path: path)
        return .put(definition, basis)
    }

    /// What an update that names a version and nothing else goes back to.
    private func earlierVersion(
        _ json: MarathonJSON, of service: ServiceTable.Service
    ) throws(MarathonRefusal) -> ServiceDefinition? {
        guard case .object(let members) = json, case .text(let text)? = json["version"],
            members.allSatisfy({ $0.name == "version" || $0.name == "id" })
        else { return nil }
        guard let number = ServiceTimestamp.parse(text) else {
            throw MarathonRefusal(
                problems: [ServiceProblem("/version", "'\(text)' is not a version")])
        }
        guard let version = service.version(number) else {
            throw MarathonRefusal(
                404, "App '\(service.record.id)' has no version '\(text)'")
        }
        return version.definition
    }

    /// `DELETE /v2/tasks`, and of an app's: those of `instances` that are there.
    /// - Parameters:
    ///   - scales: they are not to be replaced.
    ///   - service: of which they have to be; nil: any.
    package func killTasks(
        _ instances: [InstanceID], of service: ServiceID? = nil, scales: Bool, isForced: Bool
    ) -> ServiceCommand {
        let known = instances.filter { id in
            guard let record = services.instances[id] else { return false }
            return service == nil || record.service == service
        }
        return .stop(known, scales: scales, isForced: isForced)
    }

    /// The body of `POST /v2/tasks/delete`: `{"ids": […]}`.
    package static func taskIDs(_ body: [UInt8]) throws(MarathonRefusal) -> [InstanceID] {
        var fields = MarathonFields(try parse(body))
        let ids = fields.texts("ids")
        guard let ids, fields.problems.isEmpty else {
            throw MarathonRefusal(
                problems: fields.problems.isEmpty
                    ? [ServiceProblem("/ids", "error.path.missing")] : fields.problems)
        }
        return ids.map { InstanceID($0) }
    }

    // MARK: - Answers

    /// `{"version": …, "deploymentId": …}`, and the deployment for the header
    /// `Marathon-Deployment-Id`; nil where the command began none.
    package static func answer(
        _ outcome: DecisionOutcome
    ) throws(MarathonRefusal) -> (body: MarathonJSON, deployment: DeploymentID)? {
        if let refusal = MarathonRefusal(outcome) { throw refusal }
        guard case .done(.service(.deployment(let id, let version))) = outcome else { return nil }
        let body = MarathonJSON.object(
            ("version", MarathonView.timestamp(version)), ("deploymentId", .text(id.description)))
        return (body, id)
    }
}
