package import AgentLogic
internal import Dispatch
internal import Glibc
internal import Primitives

/// What the agent has to say to a master.
package enum AgentMessage: Equatable, Sendable {
    /// To be acknowledged by its id.
    case status(StatusUpdate)
    case answer(StatusUpdate)
    case refused(OrderRefusal)
    /// To an executor, or of one.
    case executor(ExecutorEffect)
    /// Nothing more can be written down: the process must end.
    case stopped(AgentError)
}

/// Performs what ``AgentCore`` decides on this machine.
///
/// `@unchecked Sendable`: everything that changes is used on `queue` only.
package final class TaskRunner: @unchecked Sendable {
    package struct Settings: Sendable {
        /// The program that has the subcommand ``AgentSupervisor/subcommand``. The default still
        /// works after the file was replaced by a newer one.
        package var supervisorProgram = "/proc/self/exe"
        package var outputBytesMax: UInt64 = 10 << 20
        package var outputFilesMax: UInt32 = 9
        /// What every task gets, before what is the run's own.
        package var environment = [
            EnvironmentVariable(
                "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        ]
        /// Nil: tasks are not held to their resources.
        package var isolation: IsolationReport?
        /// `host:port` where executors find this agent; nil: none can be run.
        package var executorEndpoint: String?
        /// Whether it speaks TLS there.
        package var executorsUseTLS = false
        package var fetcher: any URIFetching = FileFetcher(roots: [])
        package var core = AgentCore.Settings()
        package var tickMillis: UInt64 = 1000
        package init() {}
    }

    let queue = DispatchQueue(label: "keelson.agent.tasks")
    let settings: Settings
    let directory: WorkDirectory
    let agentID: AgentID
    private let store: AgentStore
    private let deliver: @Sendable (AgentMessage) -> Void
    private var core: AgentCore
    var links: [ContainerID: SupervisorLink] = [:]
    var fetches: [ContainerID: Task<Void, Never>] = [:]
    /// Of executors' runs, as far as they were asked for.
    private var secrets: [ContainerID: String] = [:]
    lazy var checks = CheckRunner(queue: queue) { [weak self] input in self?.give(input) }
    private var isStopped = false
    private var timer: (any DispatchSourceTimer)?

    /// Takes possession of the work directory and finds out what became of the runs in it.
    /// - Parameters:
    ///   - newID: the id where no agent has lived here.
    ///   - seed: another one for each start.
    ///   - deliver: called on the runner's queue, in order; must not block.
    /// - Throws: ``AgentError/busy(path:)``, ``AgentError/untrusted(path:why:)`` and I/O errors.
    package init(
        directory: WorkDirectory, newID: AgentID, settings: Settings, seed: UInt64,
        deliver: @escaping @Sendable (AgentMessage) -> Void
    ) throws(AgentError) {
        self.directory = directory
        self.settings = settings
        self.deliver = deliver
        store = try AgentStore(directory)
        let opened = try store.open(newID: newID)
        agentID = opened.mark.agentID
        for damaged in opened.damaged { unlink(directory.tasks + "/" + damaged.name) }
        try Self.removeStrangers(
            directory, agentID, known: Set(opened.records.map { $0.container }))
        var recovered: [RecoveredTask] = []
        for record in opened.records {
            recovered.append(
                RecoveredTask(
                    record: record,
                    finding: record.state.isTerminal || record.remote != nil
                        ? nil
                        : try Self.find(RunFiles(directory.runFiles(agentID, record)))))
        }
        var effects: [AgentEffect] = []
        core = AgentCore(
            mark: opened.mark, recovered: recovered, settings: settings.core, seed: seed,
            nowMillis: MachineClock.wallMillis, into: &effects)
        let wanted = effects
        queue.sync {
            perform(wanted)
            startTimer()
        }
    }

    deinit { timer?.cancel() }

    /// Ends and removes runs of which there is no record: one that was damaged, or one that was
    /// being removed when the agent ended.
    private static func removeStrangers(
        _ directory: WorkDirectory, _ agent: AgentID, known: Set<ContainerID>
    ) throws(AgentError) {
        for run in try directory.findRuns(agent) where !known.contains(run.container) {
            let files = directory.meta + "/" + run.path
            if access(files, F_OK) == 0 {
                if try RunFiles(files).inspect() != .neverStarted {
                    RunSweeper.end(RunFiles(files))
                }
                try WorkDirectory.removeTree(files)
            }
            try WorkDirectory.removeTree(directory.path + "/" + run.path)
        }
    }

    static func find(_ files: RunFiles) throws(AgentError) -> RunFinding {
        let finding = try files.inspect()
        if finding == .vanished { RunSweeper.end(files) }
        return finding
    }

    package func give(_ input: AgentInput) {
        queue.async { self.step(input) }
    }

    /// What the master is told at registration: who we are, every task that is remembered, and the
    /// executors that live. Waits for the runner's queue, so not to be asked from `deliver`.
    package var registration: (mark: AgentMark, records: [TaskRecord], executors: [ExecutorKey]) {
        queue.sync { (core.mark, core.records, core.executors) }
    }

    /// Calls back on the runner's queue, with whether an executor runs here whose secret this is.
    package func authenticate(
        _ token: String?, as key: ExecutorKey, _ done: @escaping @Sendable (Bool) -> Void
    ) {
        queue.async {
            guard let token, let record = self.core.runningExecutor(key) else { return done(false) }
            let container = record.container
            let files = RunFiles(self.directory.runFiles(self.agentID, record))
            guard let secret = self.secrets[container] ?? files.executorSecret else {
                return done(false)
            }
            self.secrets[container] = secret
            done(ExecutorSecret.equal(token, secret))
        }
    }

    /// Ends the agent's part; supervisors and tasks go on.
    package func stop() {
        queue.sync {
            isStopped = true
            timer?.cancel()
            for link in links.values { link.end() }
            links = [:]
            for fetch in fetches.values { fetch.cancel() }
            checks.stopAll()
        }
    }

    private func startTimer() {
        let timer = DispatchSource.makeTimerSource(queue: queue)
        let interval = DispatchTimeInterval.milliseconds(Int(settings.tickMillis))
        timer.schedule(deadline: .now() + interval, repeating: interval)
        timer.setEventHandler { [weak self] in
            guard let self else { return }
            step(.tick(nowMillis: MachineClock.wallMillis))
            if let permille = directory.usePermille { step(.diskUse(permille: permille)) }
        }
        timer.resume()
        self.timer = timer
    }

    private func step(_ input: AgentInput) {
        guard !isStopped else { return }
        var effects: [AgentEffect] = []
        core.step(input, into: &effects)
        perform(effects)
    }

    private func perform(_ effects: [AgentEffect]) {
        for effect in effects where !isStopped {
            switch effect {
            case .persist(let write, let then):
                do throws(AgentError) {
                    try store.persist(write)
                } catch {
                    // Nobody knows what is on disk: the next start will find out.
                    isStopped = true
                    deliver(.stopped(error))
                    return
                }
                perform(then)
            case .fetch(let record): fetch(record)
            case .cancelFetch(let container): fetches.removeValue(forKey: container)?.cancel()
            case .startSupervisor(let record): startSupervisor(record)
            case .attach(let record): attach(record)
            case .kill(let container, let grace): links[container]?.kill(graceMillis: grace)
            case .startChecks(let record):
                checks.start(record, sandbox: directory.sandbox(agentID, record))
            case .stopChecks(let container): checks.stop(container)
            case .send(let update): deliver(.status(update))
            case .answer(let update): deliver(.answer(update))
            case .removeRun(let record): remove(record)
            case .refuse(let refusal): deliver(.refused(refusal))
            case .executor(let effect): deliver(.executor(effect))
            }
        }
    }

    /// Beside the queue: a sandbox may be large.
    private func remove(_ record: TaskRecord) {
        secrets[record.container] = nil
        // Its executor's directories are not its own.
        if record.remote != nil { return }
        let paths = [
            directory.sandbox(agentID, record), directory.runFiles(agentID, record),
        ]
        DispatchQueue.global(qos: .utility).async {
            // What cannot be removed now is rubbish and nothing more.
            for path in paths { try? WorkDirectory.removeTree(path) }
        }
    }
}
