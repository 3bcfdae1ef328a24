internal import API
internal import ArgumentParser
internal import Foundation
internal import KeelsonClient
internal import Primitives
internal import StateMachine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct TaskRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run one command on an agent, print what it writes, and wait for its end.",
        discussion: """
            The exit status is 0 where the command ended with 0, else 1. It goes on through a change
            of leader; when this program ends, the command is ended within some seconds.

            EXAMPLES:
              keelson task run -- echo hello
              keelson task run --cpus 1 --mem 256 -- sh -c 'hostname; sleep 5'
            """)

    @Option(help: "How many processors it gets.") var cpus = 0.1
    @Option(help: "How many megabytes of memory it gets.") var mem = 32.0
    @Option(help: "What the task is called. (default: a name with random digits)")
    var name: String?
    @Option(help: "How long to wait for an agent with so much room.")
    var wait = TimeSpan(.seconds(60))
    @Argument(parsing: .postTerminator, help: "The command and its arguments, behind --.")
    var words: [String]
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if words.isEmpty { throw ValidationError("Give a command behind --.") }
        if cpus <= 0 || mem <= 0 { throw ValidationError("--cpus and --mem must be above zero.") }
    }

    func run() async throws {
        let digits = String(UInt32.random(in: 0 ... .max), radix: 16)
        let id = name ?? "run-\(digits)"
        let state = try await cluster.withCluster { cluster in
            var runner = OneTaskRunner(
                cluster, timeout: self.cluster.timeout.duration, patience: wait.duration,
                task: task(id))
            return try await runner.run()
        }
        if state != .taskFinished { throw ExitCode(Failure.Status.failed.rawValue) }
    }

    private func task(_ id: String) -> MesosTaskInfo {
        func scalar(_ name: String, _ value: Double) -> MesosResource {
            var resource = MesosResource()
            resource.name = name
            resource.type = .scalar
            resource.scalar.value = value
            return resource
        }
        var task = MesosTaskInfo()
        task.taskID.value = id
        task.name = id
        task.resources = [scalar("cpus", cpus), scalar("mem", mem)]
        task.command.shell = false
        task.command.value = words[0]
        task.command.arguments = words
        return task
    }
}

/// A framework of one task.
private struct OneTaskRunner {
    private let cluster: Cluster
    private let timeout: Duration
    private let deadline: ContinuousClock.Instant
    private var task: MesosTaskInfo
    private var framework = MesosFrameworkID()
    private var isLaunched = false
    private var isKnown = false
    private var lastHeard = ContinuousClock.now
    private var files: AgentFiles?
    private var directory = ""
    private var printed: (out: UInt64, error: UInt64) = (0, 0)

    init(_ cluster: Cluster, timeout: Duration, patience: Duration, task: MesosTaskInfo) {
        self.cluster = cluster
        self.timeout = timeout
        self.task = task
        deadline = .now + patience
    }

    /// How long nobody may lead while the task runs.
    private static let silenceMax = Duration.seconds(300)

    private static func mayPass(_ error: any Error) -> Bool {
        if let failure = error as? Failure { return failure.status == .unavailable }
        return error is ClusterError
    }

    /// What the task came to.
    mutating func run() async throws -> MesosTaskState {
        while true {
            do {
                var client = try await SchedulerClient(
                    cluster, timeout: timeout, framework: framework)
                if let end = try await follow(&client) { return end }
            } catch {
                let limit = isLaunched ? lastHeard + Self.silenceMax : deadline
                guard Self.mayPass(error), ContinuousClock.now < limit else { throw error }
            }
            // The leader has gone: another is found, with the same framework.
            try await Task.sleep(for: .milliseconds(300))
        }
    }

    /// Nil where the stream ended before the task.
    private mutating func follow(_ client: inout SchedulerClient) async throws -> MesosTaskState? {
        var info = MesosFrameworkInfo()
        info.user = NSUserName()
        info.name = "keelson task run"
        info.failoverTimeout = 10
        info.roles = ["*"]
        var role = MesosFrameworkInfo.Capability()
        role.type = .multiRole
        info.capabilities = [role]
        let events = try await client.subscribe(info)
        let limit = isLaunched ? nil : deadline
        for try await event in Ticking.stream(events, every: .milliseconds(300)) {
            if let event {
                lastHeard = .now
                if let end = try await take(event, &client) {
                    try? await client.send(.teardown) { _ in }
                    return end
                }
            } else {
                try await printOutput()
            }
            if let limit, !isLaunched, ContinuousClock.now >= limit {
                try? await client.send(.teardown) { _ in }
                throw Failure(
                    .failed, "no agent has so much room",
                    advice: "see keelson agent list; --wait waits longer")
            }
        }
        return nil
    }

    private mutating func take(
        _ event: MesosSchedulerEvent, _ client: inout SchedulerClient
    ) async throws -> MesosTaskState? {
        switch event.type {
        case .subscribed:
            framework = event.subscribed.frameworkID
            client.framework = framework
            if isLaunched {
                var known = MesosSchedulerCall.Reconcile.Task()
                known.taskID = task.taskID
                try await client.send(.reconcile) { $0.reconcile.tasks = [known] }
            }
        case .offers: try await answer(event.offers.offers, client)
        case .update: return try await heard(event.update.status, client)
        case .error: throw Failure(.failed, event.error.message)
        case .rescind, .message, .failure, .heartbeat, .inverseOffers, .rescindInverseOffer,
            .updateOperationStatus, .unknown:
            break
        }
        return nil
    }

    private mutating func answer(
        _ offers: [MesosOffer], _ client: SchedulerClient
    ) async throws {
        for offer in offers {
            guard !isLaunched, hasRoom(offer) else {
                try await client.send(.decline) { call in
                    call.decline.offerIds = [offer.id]
                    call.decline.filters.refuseSeconds = 5
                }
                continue
            }
            isLaunched = true
            task.agentID = offer.agentID
            var launch = MesosOffer.Operation()
            launch.type = .launch
            launch.launch.taskInfos = [task]
            try await client.send(.accept) { call in
                call.accept.offerIds = [offer.id]
                call.accept.operations = [launch]
                call.accept.filters.refuseSeconds = 3600
            }
        }
    }

    private func hasRoom(_ offer: MesosOffer) -> Bool {
        task.resources.allSatisfy { wanted in
            let there = offer.resources.filter { $0.name == wanted.name && $0.type == .scalar }
            return there.reduce(0) { $0 + $1.scalar.value } >= wanted.scalar.value
        }
    }

    private mutating func heard(
        _ status: MesosTaskStatus, _ client: SchedulerClient
    ) async throws -> MesosTaskState? {
        guard status.taskID == task.taskID else { return nil }
        let isLost = [.taskLost, .taskUnknown].contains(status.state)
        if isLost, status.reason == .reconciliation, !isKnown {
            // It was never committed: the next offer is taken.
            isLaunched = false
            return nil
        }
        isKnown = true
        if status.hasUuid {
            try await client.send(.acknowledge) { call in
                call.acknowledge.agentID = status.agentID
                call.acknowledge.taskID = status.taskID
                call.acknowledge.uuid = status.uuid
            }
        }
        if status.state == .taskRunning, files == nil { try await findFiles(status) }
        guard Self.ends.contains(status.state) else { return nil }
        try await printOutput()
        if status.state != .taskFinished {
            let why = status.message.isEmpty ? "" : ": \(status.message)"
            say("\(task.name) has ended as \(Self.name(status.state))\(why)")
        }
        return status.state
    }

    private static func name(_ state: MesosTaskState) -> String {
        let known = TaskState(rawValue: UInt8(truncatingIfNeeded: state.rawValue))
        return known?.text ?? "\(state.rawValue)"
    }

    private static let ends: [MesosTaskState] = [
        .taskFinished, .taskFailed, .taskKilled, .taskError, .taskLost, .taskDropped, .taskGone,
        .taskGoneByOperator,
    ]

    // MARK: - Output

    private mutating func findFiles(_ status: MesosTaskStatus) async throws {
        let id = StateMachine.AgentID(status.agentID.value)
        let pair = try await cluster.get(.key(RecordKeys.agent(id))).keyValues.first
        guard let agent = pair.flatMap({ $0.value.withUnsafeBytes { AgentRecord($0) } }) else {
            return
        }
        files = AgentFiles(agent, of: cluster, timeout: timeout)
        directory =
            "slaves/\(id)/frameworks/\(framework.value)/executors/\(task.taskID.value)/runs/latest"
        say("\(task.name) runs on \(agent.message.hostname)")
    }

    /// What cannot be read now is read later, or not at all: the task is what counts.
    private mutating func printOutput() async throws {
        guard let files else { return }
        if let end = try? await files.print(directory + "/stdout", from: printed.out) {
            printed.out = end
        }
        let error = try? await files.print(
            directory + "/stderr", from: printed.error, to: STDERR_FILENO)
        if let error { printed.error = error }
    }

    private func say(_ line: String) {
        Output.writeAll(Array("keelson: \(line)\n".utf8), to: STDERR_FILENO)
    }
}
