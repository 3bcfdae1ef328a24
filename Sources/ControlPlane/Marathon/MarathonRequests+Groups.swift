package import StateMachine

/// Groups: trees of apps that are changed as one.
extension MarathonRequests {
    /// What a tree comes to, while it is walked.
    private struct GroupUpdate {
        var parts: [ServiceChange.Part] = []
        var problems: [ServiceProblem] = []
    }

    /// `POST /v2/groups`
    package func createGroup(
        _ body: [UInt8], isForced: Bool
    ) throws(MarathonRefusal) -> (id: ServiceID, command: ServiceCommand) {
        let json = try Self.parse(body)
        guard case .text(let text)? = json["id"] else {
            throw MarathonRefusal(problems: [ServiceProblem("/id", "error.path.missing")])
        }
        let id = MarathonPath.resolve(text)
        let isThere = services.groups[id] != nil || !services.services(below: id).isEmpty
        if isThere, id != .root {
            throw MarathonRefusal(409, "Group \(id) is already defined. Use PUT instead.")
        }
        return (id, try updateGroup(id, json, isForced: isForced))
    }

    /// `PUT /v2/groups/{id}`. Where it lists apps, or groups, those are all there are; without a
    /// list they stay.
    package func updateGroup(
        _ id: ServiceID, _ body: [UInt8], isForced: Bool
    ) throws(MarathonRefusal) -> ServiceCommand {
        try updateGroup(id, try Self.parse(body), isForced: isForced)
    }

    private func updateGroup(
        _ id: ServiceID, _ json: MarathonJSON, isForced: Bool
    ) throws(MarathonRefusal) -> ServiceCommand {
        var fields = MarathonFields(json)
        if fields.has("version"), !fields.has("apps"), !fields.has("groups") {
            fields.refuse("version", "versions of groups are not kept: use those of the apps")
        }
        if let factor = fields.thousandths("scaleBy"), fields.problems.isEmpty {
            return .change(ServiceChange(scaled(id, by: factor), isForced: isForced))
        }
        var update = GroupUpdate()
        update.problems = fields.problems
        walk(json, id, path: "", &update)
        if !update.problems.isEmpty { throw MarathonRefusal(problems: update.problems) }
        return .change(ServiceChange(update.parts, isForced: isForced))
    }

    /// - Parameter factor: in thousandths; what is left of an instance counts whole.
    private func scaled(_ id: ServiceID, by factor: Int64) -> [ServiceChange.Part] {
        services.services(below: id).compactMap { service in
            guard let known = services.services[service], var definition = known.latest?.definition
            else { return nil }
            let (product, isOver) = Int64(definition.instances).multipliedReportingOverflow(
                by: factor)
            let count = isOver ? Int64(UInt32.max) : (product + 999) / 1_000
            definition.instances = UInt32(clamping: count)
            return .put(definition, .version(known.record.latest))
        }
    }

    private func walk(
        _ json: MarathonJSON, _ id: ServiceID, path: String, _ update: inout GroupUpdate
    ) {
        var fields = MarathonFields(json, path: path)
        let dependencies = fields.texts("dependencies")?.map {
            MarathonPath.resolve($0.text, in: id.parent ?? .root)
        }
        if id != .root, services.groups[id] == nil || dependencies != nil {
            let known = services.groups[id]?.dependencies ?? []
            update.parts.append(.putGroup(id, dependencies: dependencies ?? known))
        }
        if let apps = fields.list("apps") { walk(apps: apps, of: id, path: path, &update) }
        if let groups = fields.list("groups") {
            var named: Set<ServiceID> = []
            for (place, group) in groups.enumerated() {
                let inner = "\(path)/groups(\(place))"
                guard case .text(let text)? = group["id"] else {
                    update.problems.append(ServiceProblem(inner + "/id", "error.path.missing"))
                    continue
                }
                let child = MarathonPath.resolve(text, in: id)
                guard child.parent == id, named.insert(child).inserted else {
                    update.problems.append(
                        ServiceProblem(inner + "/id", "'\(child)' is not a group right in '\(id)'"))
                    continue
                }
                walk(group, child, path: inner, &update)
            }
            remove(groupsOf: id, but: named, &update)
        }
        update.problems += fields.problems
    }

    private func walk(
        apps: [MarathonJSON], of id: ServiceID, path: String, _ update: inout GroupUpdate
    ) {
        var named: Set<ServiceID> = []
        for (place, app) in apps.enumerated() {
            let (definition, problems) = MarathonAppDecoder.read(
                app, id: nil, over: nil, in: id, path: "\(path)/apps(\(place))")
            update.problems += problems
            if problems.isEmpty, definition.id.parent != id {
                update.problems.append(
                    ServiceProblem(
                        "\(path)/apps(\(place))/id", "'\(definition.id)' is not right in '\(id)'"))
            }
            named.insert(definition.id)
            update.parts.append(.put(definition, .any))
        }
        for service in services.services(below: id)
        where service.parent == id && !named.contains(service) {
            update.parts.append(.remove(service))
        }
    }

    private func remove(
        groupsOf id: ServiceID, but named: Set<ServiceID>, _ update: inout GroupUpdate
    ) {
        let isKept = { (path: ServiceID) -> Bool in
            path.parent == id || named.contains { $0 == path || $0.isAncestor(of: path) }
        }
        for service in services.services(below: id) where !isKept(service) {
            update.parts.append(.remove(service))
        }
        for group in services.groups(below: id)
        where !named.contains(where: { $0 == group || $0.isAncestor(of: group) }) {
            update.parts.append(.removeGroup(group))
        }
    }

    /// `DELETE /v2/groups/{id}`
    package func removeGroup(
        _ id: ServiceID, isForced: Bool
    ) throws(MarathonRefusal) -> ServiceCommand {
        var parts = services.services(below: id).map { ServiceChange.Part.remove($0) }
        parts += services.groups(below: id).map { .removeGroup($0) }
        if services.groups[id] != nil { parts.append(.removeGroup(id)) }
        guard !parts.isEmpty || id == .root else {
            throw MarathonRefusal(.unknownGroup(id))
        }
        return .change(ServiceChange(parts, isForced: isForced))
    }
}
