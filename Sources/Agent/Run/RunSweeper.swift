internal import Glibc

/// Ends what is left of a run whose supervisor is gone.
enum RunSweeper {
    /// Milliseconds in which processes are to go. Longer ones wait for the kernel, and nobody can
    /// help.
    static let patienceMillis: UInt64 = 5000

    /// Kills every process that carries the run's mark, is in its groups or in the session of its
    /// command, until there is none. Also the supervisor, where it lives.
    static func end(_ files: RunFiles) {
        let spec = try? files.readSpec()
        let start = (try? files.readStart()).flatMap {
            $0?.bootID == ProcessTable.bootID ? $0 : nil
        }
        if let start, start.supervisorPID > 1,
            let supervisor = ProcessTable.stat(of: start.supervisorPID),
            supervisor.startTicks == start.supervisorStartTicks
        {
            ProcessTable.signal(supervisor, SIGKILL)
        }
        let mark = spec?.processMark ?? "\(RunSpec.markName)=\(files.path)"
        let deadline = MachineClock.steadyMillis + patienceMillis
        while true {
            let left = processes(mark: mark, start: start, cgroups: spec?.cgroups ?? [])
            if left.isEmpty || MachineClock.steadyMillis >= deadline { break }
            for process in left { ProcessTable.signal(process, SIGKILL) }
            usleep(10_000)
        }
        for plan in spec?.cgroups ?? [] { plan.remove() }
    }

    private static func processes(
        mark: String, start: StartRecord?, cgroups: [CgroupPlan]
    ) -> [ProcessStat] {
        var found = ProcessTable.marked(mark)
        let members = Set(cgroups.flatMap { $0.members })
        found += ProcessTable.all().filter { process in
            if members.contains(process.pid) { return true }
            // A session's number is nobody else's pid while it has members; one that was given
            // anew has younger members than its leader's record says, and that leader lives.
            guard let start, start.pid > 1, process.session == start.pid else { return false }
            let leader = ProcessTable.stat(of: start.pid)
            return leader == nil || leader?.startTicks == start.startTicks
        }
        return found.filter { !$0.isZombie }
    }
}
