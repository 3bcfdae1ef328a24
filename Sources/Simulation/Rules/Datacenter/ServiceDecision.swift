import Primitives
import StateMachine

/// What one instance is to whoever judges, by its records.
struct InstanceFact {
    var id: InstanceID
    var agent: AgentID?
    var isOld: Bool
    /// For an offer.
    var isWaiting = false
    /// Its end was asked for.
    var isStopping = false
    /// It runs, and its checks are content.
    var isWell = false
    /// Out of reach for so long that its definition wants it replaced.
    var isInactive = false
}

/// What a scheduler of services had in view when it decided about one of them.
struct ServiceDecision {
    struct View {
        var table: DatacenterTable
        /// The cluster's, in milliseconds.
        var time: UInt64
        /// What its node had applied.
        var index: LogIndex
    }

    var index: LogIndex
    var service: ServiceID
    var isEnding: Bool
    var configuration: UInt64
    var facts: [InstanceFact]
    /// Instances that are to be there.
    var wanted: Int
    /// That have to stay well during an upgrade, and that may be there then.
    var minimum: Int
    var maximum: Int

    /// Nil where there is no such service, or nothing that it is to be yet.
    init?(_ adjustment: ServiceAdjustment, _ view: View) {
        guard let service = view.table.services.services[adjustment.service],
            let active = service.active
        else { return nil }
        index = view.index
        self.service = adjustment.service
        isEnding = service.record.isEnding
        configuration = active.configuration
        facts = Self.facts(of: service, view)
        let definition = active.definition
        wanted = Int(definition.instances)
        minimum = (wanted * Int(definition.minimumHealthCapacity) + 999) / 1000
        maximum = max(
            wanted * (1000 + Int(definition.maximumOverCapacity)) / 1000, minimum + 1)
    }

    /// Instances of another configuration that may run.
    var hasOld: Bool { facts.contains { $0.isOld && !$0.isInactive } }

    static func facts(of service: ServiceTable.Service, _ view: View) -> [InstanceFact] {
        let configuration = service.active?.configuration
        return service.instances.compactMap { id in
            guard let record = view.table.services.instances[id] else { return nil }
            var fact = InstanceFact(id: id, isOld: record.configuration != configuration)
            let task = view.table.tasks[TaskKey(ServiceFramework.id, id)]
            guard record.phase == .launched, let task else {
                fact.isWaiting = true
                return fact
            }
            fact.agent = task.agent
            fact.isStopping = task.killIndex > 0 || task.state == .killing
            let definition = service.versions.first { $0.number == record.version }?.definition
            fact.isWell =
                task.state == .running && !fact.isStopping
                && (definition?.healthChecks.isEmpty ?? true
                    || TaskStatusFacts(task.lastStatus).isHealthy == true)
            if task.state == .unreachable, let definition {
                fact.isInactive = isInactive(definition, view.table.agents[task.agent], view.time)
            }
            return fact
        }
    }

    private static func isInactive(
        _ definition: ServiceDefinition, _ agent: DatacenterTable.Agent?, _ time: UInt64
    ) -> Bool {
        guard case .replaced(let after, _) = definition.unreachable, let record = agent?.record,
            record.phase == .unreachable
        else { return false }
        return time >= record.phaseSince + after
    }

    /// Whether a service is as it is to be, and nothing of it is on its way.
    static func isConverged(_ service: ServiceTable.Service, _ view: View) -> Bool {
        let facts = facts(of: service, view)
        if service.record.isEnding { return facts.isEmpty }
        guard let active = service.active else { return false }
        let there = facts.filter { !$0.isInactive }
        return there.count == Int(active.definition.instances) && there.allSatisfy(\.isWell)
            && !facts.contains(where: \.isOld)
    }
}
