internal import AgentLogic
internal import Dispatch
internal import Glibc
internal import Subprocess
internal import SystemPackage

extension TaskRunner {
    /// Milliseconds until a supervisor that lives and does not talk is tried again.
    private static let reconnectMillis = 50

    func fetch(_ record: TaskRecord) {
        let container = record.container
        let fetcher = settings.fetcher
        let owner = record.spec.user.flatMap(Account.find)
        let sandbox: String
        do throws(AgentError) {
            sandbox = try directory.createSandbox(agentID, record, owner: owner)
        } catch {
            give(.fetched(container, fault: "\(error)"))
            return
        }
        fetches[container] = Task.detached { [weak self] in
            var fault: String?
            for uri in record.spec.uris where fault == nil {
                do {
                    try await fetcher.fetch(uri, into: sandbox, owner: owner)
                } catch { fault = "\(uri.value): \(error)" }
            }
            if Task.isCancelled { return }
            self?.fetched(container, fault)
        }
    }

    private func fetched(_ container: ContainerID, _ fault: String?) {
        queue.async { self.fetches[container] = nil }
        give(.fetched(container, fault: fault))
    }

    func startSupervisor(_ record: TaskRecord) {
        let container = record.container
        do throws(AgentError) {
            let owner = record.spec.user.flatMap(Account.find)
            let sandbox = try directory.createSandbox(agentID, record, owner: owner)
            let files = RunFiles(try directory.createRunFiles(agentID, record))
            let spec = runSpec(record, sandbox: sandbox, files: files.path)
            try RecordFile.write(.run, spec.encoded(), at: files.spec)
            let listener = try RunSocket.listen(in: files.path)
            spawn(files, listener)
            attach(record)
        } catch {
            let report = ExitReport(.notStarted("\(error)"), atMillis: MachineClock.wallMillis)
            give(.supervisor(container, .exited(report)))
        }
    }

    private func runSpec(_ record: TaskRecord, sandbox: String, files: String) -> RunSpec {
        var spec = RunSpec(
            container: record.container, task: record.spec, sandbox: sandbox, files: files)
        spec.outputBytesMax = settings.outputBytesMax
        spec.outputFilesMax = settings.outputFilesMax
        spec.environment = settings.environment + runEnvironment(record, sandbox)
        spec.cgroups =
            settings.isolation?.plans(record.spec.resources, record.container) ?? []
        return spec
    }

    private func runEnvironment(
        _ record: TaskRecord, _ sandbox: String
    ) -> [EnvironmentVariable] {
        let executor = record.spec.executorID?.text ?? record.spec.taskID.text
        let common = [
            EnvironmentVariable("MESOS_SANDBOX", sandbox),
            EnvironmentVariable("MESOS_DIRECTORY", sandbox),
            EnvironmentVariable("MESOS_FRAMEWORK_ID", record.spec.frameworkID.text),
            EnvironmentVariable("MESOS_EXECUTOR_ID", executor),
            EnvironmentVariable("MESOS_AGENT_ID", agentID.text),
            EnvironmentVariable("MESOS_CONTAINER_ID", record.container.description),
        ]
        guard case .executor(let terms) = record.role, let endpoint = settings.executorEndpoint
        else { return common + [EnvironmentVariable("MESOS_TASK_ID", record.spec.taskID.text)] }
        return common + executorEnvironment(endpoint, terms)
    }

    /// What Mesos' documentation of the executor API and its older libraries read.
    private func executorEnvironment(
        _ endpoint: String, _ terms: ExecutorTerms
    ) -> [EnvironmentVariable] {
        let grace = terms.shutdownGraceMillis
        // Mesos' libraries ask there whether to speak TLS with the agent.
        let tls =
            settings.executorsUseTLS ? [EnvironmentVariable("LIBPROCESS_SSL_ENABLED", "true")] : []
        return tls + [
            EnvironmentVariable(ExecutorSecret.variable, ExecutorSecret.draw()),
            EnvironmentVariable("MESOS_AGENT_ENDPOINT", endpoint),
            EnvironmentVariable("MESOS_SLAVE_ID", agentID.text),
            EnvironmentVariable("MESOS_SLAVE_PID", "slave(1)@\(endpoint)"),
            // An executor always lives on while its agent is restarted.
            EnvironmentVariable("MESOS_CHECKPOINT", "1"),
            EnvironmentVariable("MESOS_RECOVERY_TIMEOUT", "15mins"),
            EnvironmentVariable("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
            EnvironmentVariable(
                "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
                grace % 1000 == 0 ? "\(grace / 1000)secs" : "\(grace)ms"),
        ]
    }

    /// The supervisor in a session of its own, so that nothing that ends the agent reaches it. It
    /// is waited for only to be buried; what it has to say comes over its socket.
    private func spawn(_ files: RunFiles, _ listener: Int32) {
        var options = PlatformOptions()
        options.createSession = true
        let configuration = Configuration(
            executable: .path(FilePath(settings.supervisorProgram)),
            arguments: [AgentSupervisor.subcommand, files.spec], platformOptions: options)
        Task.detached {
            // Where it cannot be started the listener is closed, and the link's end says so.
            _ = try? await Subprocess.run(
                configuration,
                input: .fileDescriptor(
                    FileDescriptor(rawValue: listener), closeAfterSpawningProcess: true),
                output: .discarded, error: .discarded)
        }
    }

    /// Connects to a run's supervisor, or finds out what became of the run.
    func attach(_ record: TaskRecord) {
        let container = record.container
        let files = RunFiles(directory.runFiles(agentID, record))
        do throws(AgentError) {
            links[container] = try SupervisorLink(
                files, queue: queue,
                onPhase: { [weak self] phase in self?.heard(container, phase) },
                onEnd: { [weak self] in self?.lostLink(record) })
        } catch {
            lostLink(record)
        }
    }

    private func heard(_ container: ContainerID, _ phase: SupervisorPhase) {
        switch phase {
        case .starting: break
        case .running: give(.supervisor(container, .started))
        case .exited(let report):
            links.removeValue(forKey: container)?.end()
            give(.supervisor(container, .exited(report)))
        }
    }

    private func lostLink(_ record: TaskRecord) {
        let container = record.container
        links[container] = nil
        let files = RunFiles(directory.runFiles(agentID, record))
        do throws(AgentError) {
            switch try Self.find(files) {
            case .supervised:
                // It is on its way out, or was too slow for a client: it will say so itself.
                queue.asyncAfter(deadline: .now() + .milliseconds(Self.reconnectMillis)) {
                    [weak self] in self?.attach(record)
                }
            case .exited(let report): give(.supervisor(container, .exited(report)))
            case .neverStarted:
                let report = ExitReport(
                    .notStarted("the supervisor could not be started"),
                    atMillis: MachineClock.wallMillis)
                give(.supervisor(container, .exited(report)))
            case .vanished:
                give(.supervisor(container, .gone("the supervisor ended without a word")))
            }
        } catch {
            give(.supervisor(container, .gone("\(error)")))
        }
    }
}
