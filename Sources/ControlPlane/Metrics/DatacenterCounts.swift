internal import Monitoring
internal import NIOCore
internal import StateMachine

/// How many of everything the datacenter's records have, by state.
struct DatacenterCounts {
    private let revision: Int64
    private let takenAt: NIODeadline
    private var agents: [AgentRecord.Phase: UInt64] = [:]
    private var draining: UInt64 = 0
    private var frameworks: [FrameworkRecord.Phase: UInt64] = [:]
    private var tasks: [TaskState: UInt64] = [:]
    private var instances: [InstanceRecord.Phase: UInt64] = [:]
    private let executors: UInt64
    private let services: UInt64
    private let deployments: UInt64
    private let recordCount: Int

    /// Above it, counting takes milliseconds of the event loop's time and is not done for everybody
    /// who asks.
    private static let countedAlwaysMax = 20_000
    private static let countedAgain: TimeAmount = .seconds(5)

    /// Cost: linear in agents, frameworks, tasks and instances.
    init(_ table: DatacenterTable, at revision: Int64) {
        self.revision = revision
        takenAt = .now()
        for agent in table.agents.values {
            agents[agent.record.phase, default: 0] += 1
            if agent.record.mode == .draining { draining += 1 }
        }
        for framework in table.frameworks.values {
            frameworks[framework.record.phase, default: 0] += 1
        }
        for task in table.tasks.values { tasks[task.state, default: 0] += 1 }
        for instance in table.services.instances.values {
            instances[instance.phase, default: 0] += 1
        }
        executors = UInt64(table.executors.count)
        services = UInt64(table.services.services.count)
        deployments = UInt64(table.services.deployments.count)
        recordCount =
            table.tasks.count + table.agents.count + table.frameworks.count
            + table.services.instances.count
    }

    func isCurrent(at revision: Int64, now: NIODeadline) -> Bool {
        if self.revision == revision { return true }
        return recordCount > Self.countedAlwaysMax && now - takenAt < Self.countedAgain
    }

    func write(into text: inout MetricsText) {
        typealias Phase = AgentRecord.Phase
        text.family(
            "keelson_agents", "Agents on record, by phase.", .gauge,
            [("reachable", Phase.reachable), ("unreachable", .unreachable), ("gone", .gone)].map {
                ([MetricLabel("phase", $0)], .whole(agents[$1] ?? 0))
            })
        text.gauge("keelson_agents_draining", "Agents that are drained.", Double(draining))
        text.family(
            "keelson_frameworks", "Frameworks on record, by phase.", .gauge,
            [
                ("connected", FrameworkRecord.Phase.connected), ("disconnected", .disconnected),
                ("ended", .ended),
            ].map { ([MetricLabel("phase", $0)], .whole(frameworks[$1] ?? 0)) })
        text.family(
            "keelson_tasks", "Tasks on record, by state.", .gauge,
            TaskState.allCases.map { state in
                let name = MesosConversion.taskStateName(state)
                return ([MetricLabel("state", name)], .whole(tasks[state] ?? 0))
            })
        text.gauge("keelson_executors", "Executors on record.", Double(executors))
        text.gauge("keelson_services", "Services.", Double(services))
        text.family(
            "keelson_service_instances", "Instances of services, by phase.", .gauge,
            [("waiting", InstanceRecord.Phase.waiting), ("launched", .launched)].map {
                ([MetricLabel("phase", $0)], .whole(instances[$1] ?? 0))
            })
        text.gauge(
            "keelson_service_deployments", "Deployments that are under way.", Double(deployments))
    }
}
