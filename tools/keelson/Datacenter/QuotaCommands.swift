internal import API
internal import ArgumentParser
internal import KeelsonClient
internal import StateMachine

struct QuotaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota",
        abstract: "Say what roles are to get, and what they never get more of.",
        discussion: """
            A role's guarantee is kept for it, and offered to its frameworks first; its limit
            is the most that its frameworks may have together.

            EXAMPLES:
              keelson quota set web --guarantee 'cpus:8;mem:16384' --limit 'cpus:32'
              keelson quota list
              keelson quota remove web
            """,
        subcommands: [
            QuotaSetCommand.self, QuotaListCommand.self, QuotaShowCommand.self,
            QuotaRemoveCommand.self,
        ])
}

struct QuotaSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set a role's quota as a whole: what is not given is none.",
        discussion: """
            EXAMPLES:
              keelson quota set web --guarantee 'cpus:8;mem:16384' --limit 'cpus:32'
              keelson quota set batch --limit 'cpus:100'
            """)

    @Argument(help: "The role.") var role: String
    @Option(help: "What the role is to get before others: 'cpus:8;mem:16384'.")
    var guarantee: String?
    @Option(help: "What it never gets more of; what is not named has no limit.")
    var limit: String?
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if guarantee == nil, limit == nil {
            throw ValidationError(
                "Give --guarantee, --limit or both; quota remove takes both away.")
        }
    }

    func run() async throws {
        var config = MesosQuotaConfig()
        config.role = role
        config.guarantees = try ResourceWords.quantities(guarantee, "--guarantee")
        config.limits = try ResourceWords.quantities(limit, "--limit")
        let made = config
        try await cluster.operate { _, master in
            try await master.call(.updateQuota) { $0.updateQuota.quotaConfigs = [made] }
            return "role \(role) has its quota"
        }
    }
}

struct QuotaRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take a role's guarantee and limit away; what runs goes on.",
        discussion: "EXAMPLE:\n  keelson quota remove web")

    @Argument(help: "The role.") var role: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.operate { _, master in
            var config = MesosQuotaConfig()
            config.role = role
            let made = config
            try await master.call(.updateQuota) { $0.updateQuota.quotaConfigs = [made] }
            return "role \(role) has no quota"
        }
    }
}

struct QuotaListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the roles that have a quota, and what they use.",
        discussion: "EXAMPLE:\n  keelson quota list")

    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let usage = try await cluster.withCluster { try await RoleUsage.read($0, at: moment.rev) }
        let rows = usage.filter { $0.hasQuota }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.array(rows.map(\.json)))
        case .text:
            output.table(
                ["ROLE", "GUARANTEE", "LIMIT", "USED", "TASKS"],
                rows.map { usage in
                    [
                        usage.record.role.text, RoleUsage.text(usage.record.guarantee),
                        RoleUsage.text(usage.record.limit), "\(usage.used)", "\(usage.tasks)",
                    ]
                })
        }
        output.flush()
    }
}

struct QuotaShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print one role's quota, weight and use.",
        discussion: "EXAMPLE:\n  keelson quota show web")

    @Argument(help: "The role.") var role: String
    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let usage = try await cluster.withCluster { try await RoleUsage.read($0, at: moment.rev) }
        guard let found = usage.first(where: { $0.record.role.text == role }) else {
            throw Failure(
                .failed, "nothing is said of the role '\(role)', and nobody uses it",
                advice: "keelson quota set \(role) --guarantee … says something of it")
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(found.json)
        case .text:
            output.line("role:      \(role)")
            output.line("weight:    \(Amount.text(found.record.weight))")
            output.line("guarantee: \(RoleUsage.text(found.record.guarantee))")
            output.line("limit:     \(RoleUsage.text(found.record.limit))")
            output.line("used:      \(found.used)")
            output.line("tasks:     \(found.tasks)")
        }
        output.flush()
    }
}

/// What is said of a role, and what its tasks and executors hold.
struct RoleUsage {
    var record: RoleRecord
    var used = Resources.empty
    var tasks = 0

    var hasQuota: Bool { record.guarantee != nil || record.limit != nil }

    static func text(_ resources: Resources?) -> String {
        resources.map { "\($0)" } ?? "none"
    }

    var json: JSONValue {
        .object([
            ("role", .string(record.role.text)), ("weight", Amount.json(record.weight)),
            ("guarantee", .string(record.guarantee.map { "\($0)" } ?? "")),
            ("limit", .string(record.limit.map { "\($0)" } ?? "")),
            ("used", .string("\(used)")), ("tasks", .integer(Int64(tasks))),
        ])
    }

    /// By name: those that something is said of, and those that are used.
    static func read(_ cluster: Cluster, at revision: Int64) async throws -> [RoleUsage] {
        let records = try await DatacenterRecords.read(cluster, at: revision)
        var usage: [ByteText: RoleUsage] = [:]
        for record in try await DatacenterRecords.roles(cluster, at: records.revision) {
            usage[record.role] = RoleUsage(record: record)
        }
        func add(_ resources: Resources, _ tasks: Int, to role: ByteText) {
            var one = usage[role] ?? RoleUsage(record: RoleRecord(role: role))
            one.used = (try? one.used.adding(resources)) ?? one.used
            one.tasks += tasks
            usage[role] = one
        }
        for task in records.tasks where task.holdsResources {
            add(task.resources, 1, to: task.role)
        }
        for executor in records.executors { add(executor.resources, 0, to: executor.role) }
        return usage.keys.sorted().compactMap { usage[$0] }
    }
}
