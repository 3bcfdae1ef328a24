internal import API
internal import Scheduling
internal import StateMachine

/// The records as Mesos' master shows them. Everything is in the order of its id.
struct StateView: Sendable {
    let snapshot: DatacenterSnapshot
    private let offersByAgent: [AgentID: [MasterOffer]]
    private let offersByFramework: [FrameworkID: [MasterOffer]]

    var table: DatacenterTable { snapshot.table }

    init(_ snapshot: DatacenterSnapshot) {
        self.snapshot = snapshot
        offersByAgent = Dictionary(grouping: snapshot.offers, by: \.agent)
        offersByFramework = Dictionary(grouping: snapshot.offers, by: \.framework)
    }

    func state() -> MesosMasterResponse.GetState {
        var state = MesosMasterResponse.GetState()
        state.getTasks = tasks()
        state.getExecutors = executors()
        state.getFrameworks = frameworks()
        state.getAgents = agents()
        return state
    }

    // MARK: - Agents

    func agents() -> MesosMasterResponse.GetAgents {
        var result = MesosMasterResponse.GetAgents()
        for id in table.agentIDs {
            guard let agent = table.agents[id], agent.record.phase != .gone else { continue }
            result.agents.append(self.agent(agent))
        }
        return result
    }

    /// One that does not answer is shown as not active: what runs there is not gone.
    func agent(_ agent: DatacenterTable.Agent) -> MesosMasterResponse.GetAgents.Agent {
        let record = agent.record
        var message = MesosMasterResponse.GetAgents.Agent()
        message.agentInfo = MesosConversion.agentInfo(record, .both)
        message.active = record.phase == .reachable
        message.deactivated = record.mode != .active
        message.version = MasterIdentity.mesosVersion
        if let place = ServicePlace(String(decoding: record.url, as: UTF8.self)) {
            message.pid = "slave(1)@\(place.authority)"
        }
        message.registeredTime = MesosConversion.time(milliseconds: record.registeredClock)
        if record.reregisteredClock != record.registeredClock {
            message.reregisteredTime = MesosConversion.time(
                milliseconds: record.reregisteredClock)
        }
        message.totalResources = MesosConversion.messages(record.total, .both)
        for key in agent.tasks {
            guard let task = table.tasks[key] else { continue }
            message.allocatedResources += MesosConversion.messages(
                task.resources, allocatedTo: task.role, .both)
        }
        for key in agent.executors {
            guard let executor = table.executors[key] else { continue }
            message.allocatedResources += MesosConversion.messages(
                executor.resources, allocatedTo: executor.role, .both)
        }
        for offer in offersByAgent[record.id] ?? [] {
            message.offeredResources += MesosConversion.messages(
                offer.resources, allocatedTo: offer.role, .both)
        }
        message.capabilities = Self.agentCapabilities.map { type in
            var capability = MesosAgentInfo.Capability()
            capability.type = type
            return capability
        }
        if record.mode == .draining {
            message.drainInfo.state = agent.tasks.isEmpty ? .drained : .draining
            message.drainInfo.config.markGone = record.isGoneWhenDrained
            let grace = Int64(clamping: record.drainGraceMilliseconds)
            message.drainInfo.config.maxGracePeriod.nanoseconds =
                min(grace, 1_000_000_000) * 1_000_000
        }
        return message
    }

    private static let agentCapabilities: [MesosAgentInfo.Capability.TypeEnum] = [
        .multiRole, .hierarchicalRole, .reservationRefinement,
    ]

    // MARK: - Frameworks

    func frameworks() -> MesosMasterResponse.GetFrameworks {
        var result = MesosMasterResponse.GetFrameworks()
        let held = heldByFramework()
        for id in table.frameworkIDs {
            guard let framework = table.frameworks[id] else { continue }
            let message = self.framework(framework, held: held[id] ?? [])
            if framework.record.phase == .ended {
                result.completedFrameworks.append(message)
            } else {
                result.frameworks.append(message)
            }
        }
        return result
    }

    func heldByFramework() -> [FrameworkID: [MesosResource]] {
        var held: [FrameworkID: [MesosResource]] = [:]
        for task in table.tasks.values where task.holdsResources {
            held[task.key.framework, default: []] += MesosConversion.messages(
                task.resources, allocatedTo: task.role, .both)
        }
        for executor in table.executors.values {
            held[executor.key.framework, default: []] += MesosConversion.messages(
                executor.resources, allocatedTo: executor.role, .both)
        }
        return held
    }

    func framework(
        _ framework: DatacenterTable.Framework, held: [MesosResource]
    ) -> MesosMasterResponse.GetFrameworks.Framework {
        let record = framework.record
        var message = MesosMasterResponse.GetFrameworks.Framework()
        message.frameworkInfo = Self.info(record)
        message.connected = record.phase == .connected
        message.active = record.phase == .connected
        message.recovered = false
        message.registeredTime = MesosConversion.time(milliseconds: record.registeredClock)
        if record.reregisteredClock != record.registeredClock {
            message.reregisteredTime = MesosConversion.time(
                milliseconds: record.reregisteredClock)
        }
        if record.phase == .ended {
            message.unregisteredTime = MesosConversion.time(milliseconds: record.endedClock)
        }
        message.allocatedResources = held
        for offer in offersByFramework[record.id] ?? [] {
            let agent = table.agents[offer.agent]?.record
            message.offers.append(
                MesosConversion.offer(offer, on: agent, tellsAllocation: true, .both))
            message.offeredResources += MesosConversion.messages(
                offer.resources, allocatedTo: offer.role, .both)
        }
        message.offerConstraints = MesosConversion.decoded(
            MesosSchedulerOfferConstraints.self, record.offerConstraints)
        return message
    }

    static func info(_ record: FrameworkRecord) -> MesosFrameworkInfo {
        var info = MesosConversion.decoded(MesosFrameworkInfo.self, record.info)
        info.id.value = record.id.description
        return info
    }

    // MARK: - Executors

    func executors() -> MesosMasterResponse.GetExecutors {
        var result = MesosMasterResponse.GetExecutors()
        for id in table.agentIDs {
            for key in table.agents[id]?.executors ?? [] {
                guard let record = table.executors[key] else { continue }
                var message = MesosMasterResponse.GetExecutors.Executor()
                message.executorInfo = MesosConversion.decoded(
                    MesosExecutorInfo.self, record.info)
                message.executorInfo.executorID.value = key.executor.description
                message.executorInfo.frameworkID.value = key.framework.description
                message.agentID.value = key.agent.description
                result.executors.append(message)
            }
        }
        return result
    }
}
