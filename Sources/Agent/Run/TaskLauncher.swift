internal import AgentLogic
internal import CProcess
internal import Glibc

/// The last moments before a task's command: a process that puts itself where the task belongs and
/// then becomes it. So the command never runs outside its groups, as another user or unguarded.
enum TaskLauncher {
    /// Only returns where the command could not be started; the file `launch-error` says why.
    static func run(files path: String) -> Int32 {
        let files = RunFiles(path)
        // Opened while we may: as the task's user we could not.
        let report = try? SystemCall.open(
            files.launchError, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        do {
            try become(files)
        } catch {
            if let report {
                try? SystemCall.writeAll(report, files.launchError, Array("\(error)".utf8))
            }
            return 70
        }
    }

    private static func become(_ files: RunFiles) throws(AgentError) -> Never {
        guard let spec = try files.readSpec(), let start = try files.readStart() else {
            throw .untrusted(path: files.path, why: "the supervisor's records are missing")
        }
        for plan in spec.cgroups where access(plan.path, F_OK) == 0 { try plan.join() }
        if let user = spec.task.user { try switchUser(user) }
        // After the change of user, which would undo it.
        try SystemCall.check("guard", files.path) { keelson_signal_when_parent_ends(SIGKILL) }
        guard getppid() == start.supervisorPID else {
            throw .untrusted(path: files.path, why: "the supervisor is gone already")
        }
        try SystemCall.check("enter", spec.sandbox) { chdir(spec.sandbox) }
        resetSignals()
        umask(0o022)
        throw execute(spec)
    }

    private static func switchUser(_ name: String) throws(AgentError) {
        guard let (user, group) = Account.find(name) else {
            throw .invalid(field: "user", why: "this machine has no user \(name)")
        }
        if user == geteuid() { return }
        try SystemCall.check("set groups", name) { initgroups(name, group) }
        try SystemCall.check("set group", name) { setgid(group) }
        try SystemCall.check("set user", name) { setuid(user) }
    }

    /// What the supervisor ignores or blocks is nothing that a command should inherit.
    private static func resetSignals() {
        for number in 1..<Int32(NSIG) where number != SIGKILL && number != SIGSTOP {
            signal(number, SIG_DFL)
        }
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
    }

    private static func execute(_ spec: RunSpec) -> AgentError {
        let (path, arguments) = commandLine(spec.task.command)
        clearenv()
        for variable in environment(of: spec) { setenv(variable.name, variable.value, 1) }
        var argv = arguments.map { strdup($0) } + [nil]
        execvp(path, &argv)
        return .io(operation: "start", path: path, errno: errno)
    }

    static func commandLine(_ command: TaskCommand) -> (path: String, arguments: [String]) {
        switch command {
        case .shell(let script): ("/bin/sh", ["sh", "-c", script])
        case .program(let path, let arguments): (path, arguments.isEmpty ? [path] : arguments)
        }
    }

    /// Later ones win; the mark of the run comes last, so that nobody can set another.
    static func environment(of spec: RunSpec) -> [EnvironmentVariable] {
        // A task that passes on what another one was given does not become that one.
        let own = spec.environment.filter { $0.name == ExecutorSecret.variable }
        return spec.environment + spec.task.environment + own
            + [EnvironmentVariable(RunSpec.markName, spec.files)]
    }
}
