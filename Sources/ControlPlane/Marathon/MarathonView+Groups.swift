internal import Scheduling
package import StateMachine

extension MarathonView {
    // MARK: - Groups

    /// A group with all below it; nil where there is none. The root is always there.
    package func group(_ id: ServiceID) -> MarathonJSON? {
        let isThere =
            id == .root || services.groups[id] != nil || !services.services(below: id).isEmpty
            || !services.groups(below: id).isEmpty
        return isThere ? groupTree(id) : nil
    }

    private func groupTree(_ id: ServiceID) -> MarathonJSON {
        let record = services.groups[id]
        let apps = services.services(below: id)
        let newest = apps.compactMap { services.services[$0]?.record.latest }.max() ?? 0
        return .object(
            ("id", .text(id.path.text)),
            ("apps", .list(apps.filter { $0.parent == id }.compactMap { app($0) })),
            ("groups", .list(children(of: id).map { groupTree($0) })), ("pods", []),
            ("dependencies", MarathonAppEncoder.texts(record?.dependencies.map(\.path) ?? [])),
            ("version", Self.timestamp(max(newest, record?.clock ?? 0))))
    }

    /// The groups right below one, sorted: those on record, and those that apps are in.
    private func children(of id: ServiceID) -> [ServiceID] {
        var found: Set<ServiceID> = []
        for path in Array(services.services(below: id)) + Array(services.groups(below: id)) {
            var child = services.groups[path] != nil ? path : path.parent ?? .root
            while let parent = child.parent, child != id {
                if parent == id { found.insert(child) }
                child = parent
            }
        }
        return found.sorted()
    }

    // MARK: - Deployments

    package func deployments() -> [MarathonJSON] {
        services.deploymentIDs.compactMap { id in
            services.deployments[id].map { deployment($0) }
        }
    }

    func deployment(_ record: DeploymentRecord) -> MarathonJSON {
        .object(
            ("id", .text(record.id.description)), ("version", Self.timestamp(record.clock)),
            (
                "affectedApps",
                MarathonAppEncoder.texts(record.parts.map(\.service.path))
            ), ("affectedPods", []), ("steps", .list(steps(record))),
            ("currentActions", .list(record.currentParts.map { Self.action($0, isNow: true) })),
            ("currentStep", .integer(Int64(record.step) + 1)),
            ("totalSteps", .integer(Int64(record.stepCount))))
    }

    func steps(_ record: DeploymentRecord) -> [MarathonJSON] {
        var steps: [[MarathonJSON]] = []
        var last: UInt32?
        for part in record.parts {
            if part.step != last { steps.append([]) }
            last = part.step
            steps[steps.count - 1].append(Self.action(part, isNow: false))
        }
        return steps.map { .object(("actions", .list($0))) }
    }

    private static func action(
        _ part: DeploymentRecord.Part, isNow: Bool
    ) -> MarathonJSON {
        let name =
            switch part.action {
            case .start: "StartApplication"
            case .scale: "ScaleApplication"
            case .restart: "RestartApplication"
            case .stop: "StopApplication"
            }
        var json = MarathonJSON.object(
            ("action", .text(name)), ("app", .text(part.service.path.text)))
        if isNow { json.append("readinessCheckResults", []) }
        return json
    }

    // MARK: - Queue

    /// Services with instances that wait for an offer.
    package func queue() -> MarathonJSON {
        let items = services.serviceIDs.compactMap { id -> MarathonJSON? in
            guard let service = services.services[id], let app = app(id) else { return nil }
            let waiting = service.instances.compactMap { services.instances[$0] }.filter {
                $0.phase == .waiting
            }
            guard let first = waiting.first else { return nil }
            let until = service.record.delayedUntil
            let left = until - min(until, clusterTime)
            return .object(
                ("app", app), ("count", .integer(Int64(waiting.count))),
                (
                    "delay",
                    .object(
                        ("timeLeftSeconds", .integer(Int64(clamping: (left + 999) / 1_000))),
                        ("overdue", .bool(left == 0)))
                ), ("since", Self.timestamp(first.clock)),
                ("processedOffersSummary", offersSummary(explain(id))))
        }
        return .object(("queue", .list(items)))
    }

    private func offersSummary(_ explanation: ServiceExplanation?) -> MarathonJSON {
        let reasons = explanation?.reasons ?? []
        let seen = explanation?.offersSeen ?? 0
        return .object(
            ("processedOffersCount", .integer(Int64(clamping: seen))),
            ("unusedOffersCount", .integer(Int64(clamping: explanation?.offersUnused ?? 0))),
            ("lastUnusedOfferAt", .null), ("lastUsedOfferAt", .null),
            (
                "rejectSummaryLastOffers",
                .list(
                    reasons.map { reason in
                        .object(
                            ("reason", .text(reason.refusal.rawValue)),
                            ("declined", .integer(Int64(clamping: reason.count))),
                            ("processed", .integer(Int64(clamping: seen))))
                    })
            ), ("rejectSummaryLaunchAttempt", []))
    }

    // MARK: - The server

    /// - Parameters:
    ///   - leader: `host:port` of whoever leads; nil where nobody is known to.
    ///   - version: of the program.
    package func info(leader: String?, version: String) -> MarathonJSON {
        .object(
            ("name", .text(ServiceFramework.name)), ("version", .text(version)),
            ("buildref", .text(version)), ("elected", .bool(leader != nil)),
            ("leader", leader.map { .text($0) } ?? .null),
            ("frameworkId", .text(ServiceFramework.id.description)),
            (
                "marathon_config",
                .object(
                    ("checkpoint", true), ("ha", true), ("framework_name", "marathon"),
                    ("mesos_role", "*"), ("maintenance_mode", false))
            ), ("zookeeper_config", .object([])), ("http_config", .object([])),
            ("event_subscriber", .null))
    }

    package static func leader(_ address: String) -> MarathonJSON {
        .object(("leader", .text(address)))
    }
}
