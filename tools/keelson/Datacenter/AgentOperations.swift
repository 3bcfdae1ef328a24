internal import API
internal import ArgumentParser
internal import ControlPlane
internal import KeelsonClient
internal import StateMachine

/// Which agent a command is for.
struct AgentArgument: ParsableArguments {
    @Argument(help: "The id, as `keelson agent list` prints it, or how it begins.")
    var agent: String

    func find(_ records: DatacenterRecords) throws(Failure) -> AgentRecord {
        try DatacenterRecords.one(agent, of: records.agents, "agent") { "\($0.id)" }
    }
}

struct AgentDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Have an agent's tasks end, and offer it to nobody.",
        discussion: """
            Its frameworks are told, and may start their tasks elsewhere. `keelson agent activate`
            ends it; `keelson agent list` shows how many tasks are left.

            EXAMPLES:
              keelson agent drain 55b320c1
              keelson agent drain 55b320c1 --grace 2m --remove
            """)

    @OptionGroup var agent: AgentArgument
    @Option(help: "The time that tasks have to end by themselves. (default: as they say)")
    var grace: TimeSpan?
    @Flag(help: "The agent is gone for good once nothing runs on it.") var remove = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.operate { records, master in
            let found = try agent.find(records)
            try await master.call(.drainAgent) { call in
                call.drainAgent.agentID.value = "\(found.id)"
                call.drainAgent.markGone = remove
                guard let grace else { return }
                let milliseconds = Int64(grace.duration.milliseconds)
                call.drainAgent.maxGracePeriod.seconds = milliseconds / 1_000
                call.drainAgent.maxGracePeriod.nanos = Int32(milliseconds % 1_000) * 1_000_000
            }
            return "agent \(found.id) is drained of \(records.liveTasks(on: found.id)) tasks"
        }
    }
}

struct AgentDeactivateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deactivate",
        abstract: "Offer an agent to nobody; what runs on it goes on.",
        discussion: "EXAMPLE:\n  keelson agent deactivate 55b320c1")

    @OptionGroup var agent: AgentArgument
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.operate { records, master in
            let found = try agent.find(records)
            try await master.call(.deactivateAgent) {
                $0.deactivateAgent.agentID.value = "\(found.id)"
            }
            return "agent \(found.id) is offered to nobody"
        }
    }
}

struct AgentActivateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activate",
        abstract: "Offer an agent again that was drained or deactivated.",
        discussion: "EXAMPLE:\n  keelson agent activate 55b320c1")

    @OptionGroup var agent: AgentArgument
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.operate { records, master in
            let found = try agent.find(records)
            try await master.call(.reactivateAgent) {
                $0.reactivateAgent.agentID.value = "\(found.id)"
            }
            return "agent \(found.id) is offered again"
        }
    }
}

struct AgentRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Say that an agent is gone for good: it is never taken back.",
        discussion: """
            For a machine that will not come back. Its tasks are TASK_GONE_BY_OPERATOR at once,
            whether or not they run: make sure that the machine is off. `keelson agent drain
            --remove` waits for them to end.

            EXAMPLE:
              keelson agent remove 55b320c1-7a30-4e7c-8f43-b33c8c9e62c5
            """)

    @Argument(help: "The id, as a whole: nothing brings it back.") var agent: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.operate { records, master in
            guard let found = records.agent(AgentID(agent)) else {
                throw Failure(
                    .failed, "there is no agent \(agent)",
                    advice: "keelson agent list prints their ids")
            }
            guard found.phase != .gone else {
                throw Failure(.failed, "agent \(agent) is gone already")
            }
            try await master.call(.markAgentGone) {
                $0.markAgentGone.agentID.value = "\(found.id)"
            }
            return "agent \(found.id) is gone, with \(records.liveTasks(on: found.id)) tasks"
        }
    }
}

struct AgentReserveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reserve",
        abstract: "Keep resources of an agent for a role.",
        discussion: """
            They must be free and unreserved; offers of them are taken back. The reservation stays
            until it is taken back with `keelson agent unreserve`, whatever the agent does.

            EXAMPLE:
              keelson agent reserve 55b320c1 --role web 'cpus:2;mem:512'
            """)

    @OptionGroup var agent: AgentArgument
    @Argument(help: "What to keep: 'cpus:2;mem:512;ports:[31000-31009]'.") var resources: String
    @Option(help: "Whom it is kept for.") var role: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        var wanted = try ResourceWords.parse(resources, "'RESOURCES'").entries
        for place in wanted.indices {
            wanted[place].reservations.append(Reservation(.dynamic, role: ByteText(role)))
        }
        let reserved: Resources
        do throws(ResourcesError) { reserved = try Resources(wanted) } catch {
            throw Failure(
                .usage, "'\(resources)' cannot be reserved for '\(role)': \(error)",
                advice: ResourceWords.example)
        }
        try await cluster.operate { records, master in
            let found = try agent.find(records)
            try await master.call(.reserveResources) { call in
                call.reserveResources.agentID.value = "\(found.id)"
                call.reserveResources.resources = MesosConversion.messages(reserved)
            }
            return "\(resources) of agent \(found.id) is kept for role \(role)"
        }
    }
}

struct AgentUnreserveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unreserve",
        abstract: "Take back what was reserved for a role while the agent ran.",
        discussion: """
            What its tasks hold cannot be taken back, nor what volumes are made of, nor what the
            agent itself says that it keeps for the role.

            EXAMPLES:
              keelson agent unreserve 55b320c1 --role web 'cpus:2;mem:512'
              keelson agent unreserve 55b320c1 --role web
            """)

    @OptionGroup var agent: AgentArgument
    @Argument(help: "What to take back. (default: all that nobody uses)") var resources: String?
    @Option(help: "Whom it is kept for.") var role: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let wanted = try resources.map { text throws(Failure) in
            try ResourceWords.parse(text, "'RESOURCES'")
        }
        try await cluster.operate { records, master in
            let found = try agent.find(records)
            let free = found.total.subtracting(records.used(on: found.id)) ?? .empty
            guard let named = ReservedResources.named(wanted, in: free, role: ByteText(role)) else {
                throw Failure(
                    .failed,
                    "agent \(found.id) has no such resources that were reserved for role '\(role)'"
                        + " while it ran and that nobody uses",
                    advice: "keelson agent show \(agent.agent) prints what is reserved and used")
            }
            try await master.call(.unreserveResources) { call in
                call.unreserveResources.agentID.value = "\(found.id)"
                call.unreserveResources.resources = MesosConversion.messages(named)
            }
            return "\(named) of agent \(found.id) is reserved no more"
        }
    }
}

/// Reserved resources by what they are and whom they are for: whoever takes them back need not
/// know who reserved them.
enum ReservedResources {
    /// Nil where all of it is not there.
    /// - Parameter wanted: unreserved; nil: all.
    static func named(
        _ wanted: Resources?, in free: Resources, role: ByteText
    ) -> Resources? {
        let kept = free.entries.filter { entry in
            entry.reservations.last?.kind == .dynamic && entry.role == role
                && !entry.isPersistentVolume
        }
        guard let wanted else { return kept.isEmpty ? nil : try? Resources(kept) }
        var named: [ResourceEntry] = []
        for entry in wanted.entries {
            let same = kept.filter { $0.name == entry.name }
            guard case .scalar(var left) = entry.value else {
                let whole = same.lazy.compactMap { part(entry, of: $0) }.first
                guard let whole else { return nil }
                named.append(whole)
                continue
            }
            for one in same where left > 0 {
                guard case .scalar(let there) = one.value else { continue }
                var taken = one
                taken.value = .scalar(min(left, there))
                left -= min(left, there)
                named.append(taken)
            }
            if left > 0 { return nil }
        }
        return try? Resources(named)
    }

    /// What is wanted as it is reserved there; nil where it is not all there.
    private static func part(_ wanted: ResourceEntry, of kept: ResourceEntry) -> ResourceEntry? {
        var part = kept
        part.value = wanted.value
        guard let all = try? Resources([kept]), let some = try? Resources([part]),
            all.subtracting(some) != nil
        else { return nil }
        return part
    }
}
