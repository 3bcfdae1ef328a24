import Primitives
import StateMachine
import Testing

/// A store with an agent and the framework of the services, and what users and the scheduler say.
final class ServiceDriver {
    let master = DatacenterDriver()
    var table: ServiceTable { master.table.services }

    init() throws {
        try master.agent("", new: "a1", "cpus:8;mem:8192;ports:[1-100]")
        try master.framework("", new: ServiceFramework.id.description)
    }

    static func service(
        _ id: String, instances: UInt32 = 1, command: String = "run",
        after dependencies: [String] = []
    ) -> ServiceDefinition {
        var definition = ServiceDefinition(id: ServiceID(id))
        definition.command = ByteText(command)
        definition.instances = instances
        definition.dependencies = dependencies.map { ServiceID($0) }
        return definition
    }

    @discardableResult
    func apply(_ command: ServiceCommand) -> Applied { master.apply(.service(command)) }

    func error(_ command: ServiceCommand) -> ServiceError? {
        if case .service(let error)? = master.error(.service(command)) { return error }
        return nil
    }

    /// The deployment that the change began.
    @discardableResult
    func change(_ parts: [ServiceChange.Part], force: Bool = false) throws -> DeploymentID {
        let applied = apply(.change(ServiceChange(parts, isForced: force)))
        guard case .datacenter(.service(.deployment(let id, _))) = applied.outcome else {
            throw try #require(applied.error)
        }
        return id
    }

    @discardableResult
    func put(_ definition: ServiceDefinition, force: Bool = false) throws -> DeploymentID {
        try change([.put(definition, .any)], force: force)
    }

    func record(_ id: String) -> ServiceRecord? { table.services[ServiceID(id)]?.record }

    func instances(_ id: String) -> [InstanceID] {
        table.services[ServiceID(id)]?.instances ?? []
    }

    /// What a scheduler that sees all says.
    func adjustment(_ id: String) -> ServiceAdjustment {
        let service = table.services[ServiceID(id)]
        return ServiceAdjustment(
            service: ServiceID(id), configuration: service?.active?.configuration ?? 0,
            begun: service?.record.begun ?? 0)
    }

    func begin(_ id: String, _ count: UInt32) {
        var adjustment = adjustment(id)
        adjustment.starts = count
        apply(.adjust(adjustment))
    }

    func launch(_ instance: InstanceID, _ resources: String = "cpus:0.1") throws -> StoreError? {
        let task = TaskLaunch(
            task: instance, role: "*", resources: try ResourcesParser.parse(resources), info: [])
        let session = master.table.agents[AgentID("a1")]?.record.session ?? 0
        return master.apply(
            .launch(
                Launch(
                    framework: ServiceFramework.id, agent: AgentID("a1"), session: session,
                    operations: [.task(task)]))
        ).error
    }

    func report(_ instance: InstanceID, _ state: TaskState, _ uuid: String) -> StatusVerdict? {
        master.report(
            instance.description, state, uuid, of: ServiceFramework.id.description)
    }
}
