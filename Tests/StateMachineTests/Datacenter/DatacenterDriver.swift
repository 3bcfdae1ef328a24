import Primitives
import StateMachine
import Testing

/// A store and a master's decisions.
final class DatacenterDriver {
    let driver = StoreDriver()
    var table: DatacenterTable { driver.store.datacenterTable }
    private var names = 0

    init() { driver.clusterTime = 1000 }

    @discardableResult
    func apply(_ command: DatacenterCommand) -> Applied {
        driver.apply(.datacenter, command.encode(), fence: driver.term)
    }

    func error(_ command: DatacenterCommand) -> DatacenterError? {
        if case .datacenter(let error)? = apply(command).error { return error }
        return nil
    }

    @discardableResult
    func agent(
        _ id: String = "", new: String = "a1", _ total: String = "cpus:4;mem:1024",
        incarnation: UInt64 = 7
    ) throws -> UInt64 {
        let registration = AgentRegistration(
            id: AgentID(id), newID: AgentID(new), info: bytes("info"),
            total: try ResourcesParser.parse(total), incarnation: incarnation,
            url: bytes("http://h:5051"))
        let applied = apply(.registerAgent(registration))
        guard case .datacenter(.agent(_, let session)) = applied.outcome else {
            throw try #require(applied.error)
        }
        return session
    }

    @discardableResult
    func framework(
        _ id: String = "", new: String = "f1", failoverMilliseconds: UInt64 = 0
    ) throws -> UInt64 {
        var subscription = Subscription(
            id: FrameworkID(id), newID: FrameworkID(new), info: bytes("f"), roles: ["*"])
        subscription.failoverMilliseconds = failoverMilliseconds
        subscription.capabilities = FrameworkRecord.partitionAware
        let applied = apply(.subscribe(subscription))
        guard case .datacenter(.framework(_, let session)) = applied.outcome else {
            throw try #require(applied.error)
        }
        return session
    }

    func task(_ id: String, _ resources: String = "cpus:1;mem:100") throws -> TaskLaunch {
        TaskLaunch(
            task: TaskID(id), role: "*", resources: try ResourcesParser.parse(resources),
            info: bytes("info of \(id)"))
    }

    func launch(
        _ tasks: [TaskLaunch], on agent: String = "a1", of framework: String = "f1"
    ) -> DatacenterCommand {
        let session = table.agents[AgentID(agent)]?.record.session ?? 0
        return .launch(
            Launch(
                framework: FrameworkID(framework), agent: AgentID(agent), session: session,
                operations: tasks.map { .task($0) }))
    }

    func report(
        _ id: String, _ state: TaskState, _ uuid: String, on agent: String = "a1",
        of framework: String = "f1"
    ) -> StatusVerdict? {
        let key = TaskKey(FrameworkID(framework), TaskID(id))
        let session = table.agents[AgentID(agent)]?.record.session ?? 0
        let status = WaitingStatus(uuid: bytes(uuid), state: state, body: bytes("s"))
        let report = StatusReport(
            key: key, sequence: table.tasks[key]?.sequence ?? 0, status: status)
        let applied = apply(.reportStatuses(AgentID(agent), session: session, [report]))
        guard case .datacenter(.statuses(let verdicts)) = applied.outcome else { return nil }
        return verdicts.first
    }

    func task(_ id: String) -> TaskRecord? {
        table.tasks[TaskKey(FrameworkID("f1"), TaskID(id))]
    }

    /// What the agent has to offer, as text.
    func free(_ agent: String = "a1") -> String? {
        table.agents[AgentID(agent)]?.free.description
    }

    func check() throws {
        table.checkInvariants()
        let loaded = try driver.reloaded()
        #expect(loaded.datacenterTable == table)
    }
}

func key(_ task: String) -> TaskKey { TaskKey(FrameworkID("f1"), TaskID(task)) }
