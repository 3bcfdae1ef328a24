import Primitives
import Scheduling
import StateMachine
import Testing

/// A store, the master and the scheduler of services of the moment, and machines that do as they
/// are told: in one thread.
final class ServiceCluster {
    /// As an agent is to behave (DESIGN §8), with tasks that a test lets live, fall ill and die.
    final class Machine {
        let name: String
        let attributes: String
        let total: String
        let incarnation: UInt64
        var id = ""
        var connection: UInt64?
        var isRegistered = false
        /// Cut off: nothing it says or is told gets through.
        var isCutOff = false
        var term: UInt64 = 0
        var mark: UInt64 = 0
        var tasks: [TaskKey: (sequence: UInt64, state: TaskState)] = [:]
        var updates: [StatusReport] = []
        var started: [UInt64: Int] = [:]

        init(_ name: String, _ total: String, _ attributes: String, incarnation: UInt64) {
            self.name = name
            self.total = total
            self.attributes = attributes
            self.incarnation = incarnation
        }
    }

    let desk = MasterDesk()
    private(set) var scheduler: ServiceScheduler
    var settings = ServiceSchedulerSettings()
    var machines: [Machine] = []
    private var heldBack: [(DecisionID, DatacenterCommand, Term)] = []
    /// Decisions of which the scheduler was told that nobody knows what becomes of them.
    private var unanswered: Set<DecisionID> = []
    private var inputs: [ServiceSchedulerInput] = []
    private var isStepping = false
    private var stream: UInt64 = 0
    private var number: UInt64 = 0
    /// Whether tasks run as soon as they are started, or when a test says so.
    var runsAtOnce = true
    /// What a running task says of its health: bytes of mesos.v1.TaskStatus.
    var status: [UInt8] = [0x40, 0x01]
    /// What the scheduler decided, oldest first; a test may look before it is committed.
    var decided: [ServiceCommand] = []
    var calls: [SchedulerCall] = []
    var onDecision: (ServiceCommand) -> Void = { _ in }
    /// What the leader cannot commit: while it hands over, say.
    var refuses: (DatacenterCommand) -> Bool = { _ in false }
    var changes: [DatacenterChange] = []

    static let traits: @Sendable (AgentRecord) -> AllocatorAgent = { record in
        let words = String(decoding: record.info, as: UTF8.self).split(separator: ";")
        var agent = AllocatorAgent(total: record.total)
        for word in words {
            let parts = word.split(separator: "=")
            if parts[0] == "host" {
                agent.hostname = ByteText(String(parts[1]))
            } else {
                agent.attributes.append(
                    AgentAttribute(
                        ByteText(String(parts[0])), .text(ByteText(String(parts[1])))))
            }
        }
        return agent
    }

    init() {
        scheduler = ServiceScheduler(
            settings: settings, table: DatacenterTable(), now: 1_000, clusterTime: 1_000,
            traits: Self.traits)
        desk.holdsBack = true
        desk.onApplied = { [unowned self] in
            changes += $0
            step(.applied($0))
        }
    }

    var table: DatacenterTable { desk.table }
    var services: ServiceTable { desk.table.services }

    // MARK: - Leaders

    /// Another node leads from here on; of what was decided, nothing more is committed.
    func failOver() {
        desk.failOver()
        heldBack = []
        unanswered = []
        inputs = []
        desk.events = []
        desk.orders = []
        scheduler = ServiceScheduler(
            settings: settings, table: table, now: desk.now, clusterTime: desk.now,
            traits: Self.traits)
        for machine in machines { (machine.connection, machine.isRegistered) = (nil, false) }
    }

    func step(_ input: ServiceSchedulerInput) {
        inputs.append(input)
        if isStepping { return }
        isStepping = true
        defer { isStepping = false }
        while !inputs.isEmpty {
            var effects: [ServiceSchedulerEffect] = []
            scheduler.step(inputs.removeFirst(), in: table, into: &effects)
            for effect in effects { perform(effect) }
        }
    }

    private func perform(_ effect: ServiceSchedulerEffect) {
        switch effect {
        case .propose(let id, let command):
            heldBack.append((id, command, desk.term))
            if case .service(let service) = command {
                decided.append(service)
                onDecision(service)
            }
        case .subscribe(let subscription):
            number += 1
            stream = number
            desk.step(.scheduler(SchedulerStreamID(stream), .subscribes(subscription)))
        case .call(let call):
            calls.append(call)
            desk.call(stream, call)
        }
    }

    var hasDecisions: Bool { !heldBack.isEmpty || !desk.heldBack.isEmpty }

    var hasServiceDecisions: Bool { !heldBack.isEmpty }

    /// What the scheduler wanted launched, in the order in which it asked for it.
    var launches: [TaskLaunch] {
        calls.flatMap { call -> [TaskLaunch] in
            guard case .accept(_, let operations, _) = call else { return [] }
            return operations.compactMap {
                if case .launch(let task) = $0 { task } else { nil }
            }
        }
    }

    /// Applies the oldest decision, the scheduler's or the master's.
    func commitOne(services first: Bool = true) {
        if first || desk.heldBack.isEmpty, !heldBack.isEmpty {
            let (id, command, term) = heldBack.removeFirst()
            if refuses(command) { return step(.decided(id, .refused(nil))) }
            let applied = desk.apply(command, decidedIn: term)
            if !applied.datacenterChanges.isEmpty {
                desk.step(.applied(applied.datacenterChanges))
            }
            if !unanswered.contains(id) { step(.decided(id, DecisionOutcome.of(applied))) }
        } else {
            desk.commitOne()
        }
        deliverEvents()
    }

    /// The leader cannot say in time what becomes of the scheduler's oldest decision, which stays
    /// on its way.
    func losesSight() {
        guard let (id, _, _) = heldBack.first(where: { !unanswered.contains($0.0) }) else { return }
        unanswered.insert(id)
        step(.decided(id, .unknown))
    }

    /// The connection between the scheduler and the master ends.
    func endStream() {
        desk.step(.scheduler(SchedulerStreamID(stream), .disconnected))
        step(.disconnected)
    }

    /// The scheduler's oldest decision never comes into the log.
    func loseOldest() { heldBack.removeFirst() }

    private func deliverEvents() {
        while !desk.events.isEmpty {
            let (id, event) = desk.events.removeFirst()
            if id == SchedulerStreamID(stream) { step(.event(event)) }
        }
    }

    // MARK: - Time

    func tick(_ milliseconds: UInt64 = 100) {
        desk.tick(milliseconds)
        deliverEvents()
        step(.tick(now: desk.now, clusterTime: desk.now))
    }

    /// Time goes on, and all that is decided and said comes through.
    func run(_ milliseconds: UInt64 = 2_000) {
        for _ in 0..<max(1, milliseconds / 100) {
            for machine in machines {
                connect(machine)
                if machine.isRegistered, !machine.isCutOff { say(machine, .heartbeat) }
            }
            tick()
            settle()
        }
    }

    /// All that is on its way arrives.
    func settle() {
        for _ in 0..<10_000 {
            deliverEvents()
            if hasDecisions {
                commitOne()
            } else if !desk.orders.isEmpty {
                deliverOrder()
            } else {
                return
            }
        }
        Issue.record("it never comes to rest")
    }

    // MARK: - Machines

    @discardableResult
    func add(
        _ name: String, _ total: String = "cpus:4;mem:4096;ports:[31000-31009]",
        _ attributes: String = ""
    ) -> Machine {
        let machine = Machine(
            name, total, attributes, incarnation: UInt64(machines.count + 1))
        machines.append(machine)
        return machine
    }

    func connect(_ machine: Machine) {
        guard machine.connection == nil, !machine.isCutOff,
            let total = try? ResourcesParser.parse(machine.total)
        else { return }
        number += 1
        machine.connection = number
        let info = "host=\(machine.name)" + (machine.attributes.isEmpty ? "" : ";")
        let registration = AgentRegistration(
            id: AgentID(machine.id), newID: AgentID("agent-\(machine.name)"),
            info: Array((info + machine.attributes).utf8), total: total,
            incarnation: machine.incarnation, url: [])
        desk.step(.agent(AgentConnectionID(number), .registers(registration)))
    }

    func cutOff(_ machine: Machine) {
        if let connection = machine.connection {
            desk.step(.agent(AgentConnectionID(connection), .disconnected))
        }
        (machine.connection, machine.isRegistered, machine.isCutOff) = (nil, false, true)
    }

    func say(_ machine: Machine, _ input: AgentInput) {
        guard let connection = machine.connection, machine.isRegistered else { return }
        desk.step(.agent(AgentConnectionID(connection), input))
    }

    func deliverOrder() {
        guard !desk.orders.isEmpty else { return }
        let (connection, order) = desk.orders.removeFirst()
        let machine = machines.first { $0.connection == connection.rawValue }
        if let machine, !machine.isCutOff { take(order, machine) }
    }

    private func take(_ order: AgentOrder, _ machine: Machine) {
        guard desk.term.rawValue >= machine.term else { return }
        machine.term = desk.term.rawValue
        switch order {
        case .registered(let id, _):
            (machine.id, machine.isRegistered) = (id.description, true)
            for (key, task) in machine.tasks.sorted(by: { $0.key < $1.key })
            where !task.state.isTerminal && !machine.updates.contains(where: { $0.key == key }) {
                report(machine, key, task.state)
            }
            for update in machine.updates { say(machine, .reports([update])) }
        case .refused: (machine.connection, machine.isRegistered) = (nil, false)
        case .launch(let tasks): for task in tasks { launch(task, machine) }
        case .kill(let key, let sequence, _):
            guard let task = machine.tasks[key], task.sequence >= sequence else {
                machine.mark = max(machine.mark, sequence)
                machine.tasks[key] = (sequence, .killed)
                return report(machine, key, .killed)
            }
            if !task.state.isTerminal { report(machine, key, .killed) }
        case .acknowledge(let key, let sequence, let uuid):
            machine.updates.removeAll {
                $0.key == key && $0.sequence == sequence && $0.status.uuid == uuid
            }
        case .shutdown, .message: break
        }
    }

    private func launch(_ task: TaskRecord, _ machine: Machine) {
        if machine.tasks[task.key]?.sequence == task.sequence { return }
        machine.tasks[task.key] = (task.sequence, .starting)
        guard task.sequence > machine.mark else { return report(machine, task.key, .lost) }
        machine.mark = task.sequence
        machine.started[task.sequence, default: 0] += 1
        report(machine, task.key, runsAtOnce ? .running : .starting)
    }

    func report(
        _ machine: Machine, _ key: TaskKey, _ state: TaskState, status: [UInt8]? = nil
    ) {
        guard let sequence = machine.tasks[key]?.sequence else { return }
        number += 1
        machine.tasks[key] = (sequence, state)
        let body = state == .running ? status ?? self.status : []
        let report = StatusReport(
            key: key, sequence: sequence,
            status: WaitingStatus(uuid: Array("\(number)".utf8), state: state, body: body))
        machine.updates.append(report)
        say(machine, .reports([report]))
    }

    func resend(_ machine: Machine) {
        for update in machine.updates { say(machine, .reports([update])) }
    }

    /// The tasks that a machine has and that have not ended, sorted.
    func live(_ machine: Machine) -> [TaskKey] {
        machine.tasks.filter { !$0.value.state.isTerminal }.keys.sorted()
    }

    // MARK: - Users

    @discardableResult
    func apply(_ command: ServiceCommand) -> DecisionOutcome {
        let applied = desk.apply(.service(command))
        if !applied.datacenterChanges.isEmpty { desk.step(.applied(applied.datacenterChanges)) }
        return DecisionOutcome.of(applied)
    }

    @discardableResult
    func put(_ definitions: ServiceDefinition..., force: Bool = false) -> DecisionOutcome {
        let parts = definitions.map { ServiceChange.Part.put($0, .any) }
        return apply(.change(ServiceChange(parts, isForced: force)))
    }

    static func service(
        _ id: String, _ instances: UInt32 = 1, command: String = "run",
        _ change: (inout ServiceDefinition) -> Void = { _ in }
    ) -> ServiceDefinition {
        var definition = ServiceDefinition(id: ServiceID(id))
        (definition.cpus, definition.mem, definition.ports) = (500, 100_000, [])
        definition.command = ByteText(command)
        definition.instances = instances
        change(&definition)
        return definition
    }

    // MARK: - What is

    /// Instances of a service that were launched, with their machines.
    func placed(_ id: String) -> [(instance: InstanceID, agent: String, task: TaskRecord)] {
        (services.services[ServiceID(id)]?.instances ?? []).compactMap { instance in
            guard let task = table.tasks[TaskKey(ServiceFramework.id, instance)] else {
                return nil
            }
            return (instance, task.agent.description, task)
        }
    }

    func plan(_ id: ServiceID) -> InstancePlan? {
        services.services[id].map { InstancePlan($0, in: table, clusterTime: desk.now) }
    }

    func machine(of instance: InstanceID) -> Machine? {
        let key = TaskKey(ServiceFramework.id, instance)
        return machines.first { $0.tasks[key] != nil }
    }
}
