internal import Scheduling
package import StateMachine

/// An event of Marathon's bus, with the revision that its entry made, which is the same on every
/// node: a client that was away says which it saw last.
package struct MarathonEvent: Equatable, Sendable {
    package var index: UInt64
    package var type: String
    package var body: MarathonJSON

    /// As one of a stream of server-sent events, all but its id.
    package var frame: [UInt8] {
        Array("event: \(type)\ndata: ".utf8) + body.bytes + Array("\n\n".utf8)
    }

    /// What stands before the last frame of an entry. Only that has it: whoever comes back with it
    /// has seen the whole entry.
    package static func idLine(_ index: UInt64) -> [UInt8] { Array("id: \(index)\n".utf8) }

    /// The index that `Last-Event-ID` names; nil where it is none.
    package static func index(lastEventID text: String) -> UInt64? { UInt64(text) }
}

extension MarathonView {
    /// What the changes of one entry are to those who listen, in their order.
    /// - Parameters:
    ///   - records: as the entry left them; this view may be of a later moment.
    ///   - owners: of instances that are not on record any more.
    ///   - index: the revision that the entry made.
    ///   - clock: the leader's time of day in milliseconds.
    package func events(
        _ changes: [DatacenterChange], of records: EntryRecords,
        owners: [InstanceID: ServiceID], index: UInt64, clock: UInt64
    ) -> [MarathonEvent] {
        changes.flatMap { change -> [MarathonEvent] in
            switch change {
            case .task(let key) where key.framework == ServiceFramework.id:
                guard let task = records.task(key) else { return [] }
                return [statusUpdate(task, of: owners[key.task], index, clock)]
            case .instance(let id, let service):
                guard let instance = records.instance(id), instance.phase == .waiting else {
                    return []
                }
                return [instanceChanged(instance, of: service, index, clock)]
            case .deployment(let id, let event):
                return [deployment(id, records.deployment(id), event, index, clock)]
            case .service(let id) where !records.hasService(id):
                return [
                    self.event(
                        "app_terminated_event", index, clock, [("appId", .text(id.path.text))])
                ]
            case .agent, .framework, .task, .executor, .role, .master, .service: return []
            }
        }
    }

    private func event(
        _ type: String, _ index: UInt64, _ clock: UInt64,
        _ members: [(String, MarathonJSON)]
    ) -> MarathonEvent {
        var body = MarathonJSON.object(
            ("eventType", .text(type)), ("timestamp", Self.timestamp(clock)))
        for (name, value) in members { body.append(name, value) }
        return MarathonEvent(index: index, type: type, body: body)
    }

    /// What a client hears first.
    package func attached(
        remoteAddress: String, index: UInt64, clock: UInt64
    ) -> MarathonEvent {
        event(
            "event_stream_attached", index, clock, [("remoteAddress", .text(remoteAddress))])
    }

    /// What a client hears of that came back for events that are not kept any more.
    package func gap(after: UInt64, index: UInt64, clock: UInt64) -> MarathonEvent {
        event(
            "event_stream_gap", index, clock,
            [
                ("after", .integer(Int64(clamping: after))),
                ("until", .integer(Int64(clamping: index))),
            ])
    }

    /// - Parameter owner: of an instance that is not on record any more: its name begins with its
    ///   service's, in a form that cannot be taken back.
    private func statusUpdate(
        _ task: TaskRecord, of owner: ServiceID?, _ index: UInt64, _ clock: UInt64
    ) -> MarathonEvent {
        let host = table.agents[task.agent].map { traits($0.record).hostname.text } ?? ""
        let known = services.instances[task.key.task]
        let service = known?.service ?? owner
        let record = service.flatMap { services.services[$0] }
        let version = known?.version ?? record?.record.active ?? 0
        let definition = record?.version(version)?.definition
        let ports = definition.map { ServicePorts.ports(task.resources, of: $0) } ?? []
        return event(
            "status_update_event", index, clock,
            [
                ("slaveId", .text(task.agent.description)),
                ("taskId", .text(task.key.task.description)),
                ("taskStatus", .text(task.state.marathonName)),
                ("message", .text(TaskStatusFacts(task.lastStatus).message.text)),
                ("appId", .text(service?.path.text ?? "")), ("host", .text(host)),
                ("ipAddresses", []), ("ports", .list(ports.map { .integer(Int64($0)) })),
                ("version", Self.timestamp(version)),
            ])
    }

    private func instanceChanged(
        _ instance: InstanceRecord, of service: ServiceID, _ index: UInt64, _ clock: UInt64
    ) -> MarathonEvent {
        event(
            "instance_changed_event", index, clock,
            [
                ("instanceId", .text(instance.id.description)), ("condition", "Scheduled"),
                ("runSpecId", .text(service.path.text)),
                ("runSpecVersion", Self.timestamp(instance.version)),
            ])
    }

    private func deployment(
        _ id: DeploymentID, _ record: DeploymentRecord?, _ change: DeploymentEvent,
        _ index: UInt64, _ clock: UInt64
    ) -> MarathonEvent {
        let group = { (clock: UInt64) -> MarathonJSON in
            .object(
                ("id", "/"), ("apps", []), ("groups", []), ("pods", []), ("dependencies", []),
                ("version", Self.timestamp(clock)))
        }
        let began = record?.clock ?? clock
        let plan = MarathonJSON.object(
            ("id", .text(id.description)), ("original", group(began)), ("target", group(began)),
            ("steps", .list(record.map { steps($0) } ?? [])), ("version", Self.timestamp(began)))
        switch change {
        case .began, .advanced:
            let current = record.map { steps($0) }?.dropFirst(Int(record?.step ?? 0)).first
            return event(
                change == .began ? "deployment_info" : "deployment_step_success", index, clock,
                [("plan", plan), ("currentStep", current ?? .object(("actions", [])))])
        case .done:
            return event(
                "deployment_success", index, clock, [("id", .text(id.description)), ("plan", plan)])
        case .cancelled:
            return event(
                "deployment_failed", index, clock, [("id", .text(id.description)), ("plan", plan)])
        }
    }
}
