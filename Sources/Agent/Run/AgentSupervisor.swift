internal import AgentLogic
internal import CProcess
internal import Glibc
internal import Synchronization

/// The role in which this program watches one task: `agent-supervise FILE`, where FILE is the `run`
/// record in the run's directory and descriptor 0 a listening Unix socket.
///
/// A supervisor outlives the agent. It takes up a run once, starts the command in a session of its
/// own, writes down who it is and how it ended, pumps its output, ends it on request, and is the
/// parent of all that the task leaves behind, so that nothing of it stays.
package enum AgentSupervisor {
    package static let subcommand = "agent-supervise"
    static let launchWord = "launch"

    /// - Returns: the process's exit status: 0 when the end is on record or the run was taken
    ///   already, 64 for wrong arguments, 65 for a record that cannot be trusted, 74 for I/O.
    package static func run(arguments: [String]) -> Int32 {
        switch arguments.count {
        case 1:
            let suffix = "/run"
            guard arguments[0].hasSuffix(suffix) else { return 64 }
            return supervise(RunFiles(String(arguments[0].dropLast(suffix.count))))
        case 2 where arguments[0] == launchWord: return TaskLauncher.run(files: arguments[1])
        default: return 64
        }
    }

    private static func supervise(_ files: RunFiles) -> Int32 {
        for number in [SIGHUP, SIGINT, SIGPIPE, SIGQUIT] { signal(number, SIG_IGN) }
        do {
            guard let spec = try files.readSpec() else { return 65 }
            // Another one, or an agent that looks whether there is one, holds it for a moment only.
            guard let lock = try files.takeLock(waits: true) else { return 74 }
            defer { close(lock) }
            if files.isTaken() { return 0 }
            try SystemCall.check("adopt", files.path) { keelson_become_subreaper() }
            let loop = try SupervisorLoop(
                spec, files, lock: lock, listener: inheritedListener())
            return loop.run()
        } catch .untrusted {
            return 65
        } catch {
            return 74
        }
    }

    /// Descriptor 0 as one that the command does not inherit.
    private static func inheritedListener() throws(AgentError) -> Int32 {
        let listener = try SystemCall.check("keep", "descriptor 0") { fcntl(0, F_DUPFD_CLOEXEC, 3) }
        try RunSocket.setNonBlocking(listener)
        let null = try SystemCall.open("/dev/null", O_RDWR)
        dup2(null, 0)
        close(null)
        return listener
    }
}

/// What signals do to a supervisor: they wake its loop.
enum SupervisorSignals {
    private static let wake = Atomic<Int32>(-1)
    private static let isAskedToEnd = Atomic<Bool>(false)

    static func install(wake descriptor: Int32) {
        wake.store(descriptor, ordering: .sequentiallyConsistent)
        isAskedToEnd.store(false, ordering: .sequentiallyConsistent)
        signal(SIGCHLD) { _ in SupervisorSignals.ring() }
        signal(SIGTERM) { _ in
            SupervisorSignals.isAskedToEnd.store(true, ordering: .relaxed)
            SupervisorSignals.ring()
        }
    }

    /// In a signal's handler: nothing but a system call.
    private static func ring() {
        let number = errno
        var byte: UInt8 = 2
        _ = write(wake.load(ordering: .relaxed), &byte, 1)
        errno = number
    }

    static func takeEndRequest() -> Bool {
        isAskedToEnd.exchange(false, ordering: .relaxed)
    }
}
