internal import AgentLogic
internal import Glibc

/// A supervisor's one loop: the task's output, its end, and what agents ask.
///
/// Confined to the main thread.
final class SupervisorLoop {
    /// Milliseconds for output that is still open when no process of the task is left: somebody
    /// else got hold of it.
    static let drainMillis: UInt64 = 2000
    /// Milliseconds after the command's end in which what it left behind is to go.
    static let sweepMillis: UInt64 = 30_000
    static let flushMillis: UInt64 = 1000
    static let recordRetryMillis: UInt64 = 1000
    static let clientsMax = 16
    static let sweepPauseMillis: UInt64 = 20
    /// Milliseconds between two looks whether the run's directory is still there.
    static let watchMillis: UInt64 = 5000

    let spec: RunSpec
    let files: RunFiles
    let listener: Int32
    private let lock: Int32
    let process: TaskProcess
    let wakeRead: Int32
    let wakeWrite: Int32
    var streams: [SupervisedStream] = []
    var clients: [SupervisorClient] = []

    var phase = SupervisorPhase.starting
    var pid: Int32?
    var outcome: ProcessOutcome?
    var outcomeMillis: UInt64 = 0
    var wasKilled = false
    /// Who has had SIGTERM.
    private var asked: Set<Int32> = []
    /// When SIGKILL follows SIGTERM.
    var killMillis: UInt64?
    /// Since when nothing of the task is left.
    var emptyMillis: UInt64?
    var report: ExitReport?
    var isRecorded = false
    var nextRecordMillis: UInt64 = 0
    var cgroupFault: AgentError?

    /// - Parameter lock: the run's, held by the caller for as long as the loop runs.
    init(
        _ spec: RunSpec, _ files: RunFiles, lock: Int32, listener: Int32
    ) throws(AgentError) {
        self.spec = spec
        self.lock = lock
        self.files = files
        self.listener = listener
        (wakeRead, wakeWrite) = try Self.pipe()
        try RunSocket.setNonBlocking(wakeRead)
        try RunSocket.setNonBlocking(wakeWrite)
        process = TaskProcess(wake: wakeWrite)
    }

    static func pipe() throws(AgentError) -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        // Not marked to be closed in children: those that are started close all they do not need.
        try SystemCall.check("pipe", "supervisor") { Glibc.pipe(&ends) }
        return (ends[0], ends[1])
    }

    /// - Returns: the supervisor's exit status.
    func run() -> Int32 {
        SupervisorSignals.install(wake: wakeWrite)
        do throws(AgentError) {
            // Before the fork: whoever finds this and no supervisor knows that there may be
            // something to sweep.
            try writeStart(pid: 0, startTicks: 0)
        } catch { return 74 }
        for plan in spec.cgroups {
            do throws(AgentError) { try plan.create() } catch { cgroupFault = error }
        }
        do throws(AgentError) { try startTask() } catch {
            outcome = .notStarted("\(error)")
            outcomeMillis = MachineClock.steadyMillis
        }
        var finishedMillis: UInt64?
        while true {
            poll()
            let now = MachineClock.steadyMillis
            advance(now)
            guard report != nil, isRecorded || nextRecordMillis > 0 else { continue }
            if isRecorded {
                let since = finishedMillis ?? now
                finishedMillis = since
                if clients.allSatisfy({ $0.outgoing.isEmpty }) || now >= since + Self.flushMillis {
                    break
                }
            }
        }
        for plan in spec.cgroups { plan.remove() }
        RunSocket.remove(in: files.path)
        return 0
    }

    func writeStart(pid: Int32, startTicks: UInt64) throws(AgentError) {
        try files.write(
            StartRecord(
                pid: pid, startTicks: startTicks, supervisorPID: getpid(),
                supervisorStartTicks: ProcessTable.stat(of: getpid())?.startTicks ?? 0,
                bootID: ProcessTable.bootID, atMillis: MachineClock.wallMillis))
    }

    private func startTask() throws(AgentError) {
        let sandbox = try SystemCall.open(spec.sandbox, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let owner = spec.task.user.flatMap(Account.find)
        var writing: [Int32] = []
        for name in ["stdout", "stderr"] {
            let (read, write) = try Self.pipe()
            try RunSocket.setNonBlocking(read)
            let log = try OutputLog(
                directory: sandbox, name: name, bytesMax: spec.outputBytesMax,
                filesMax: spec.outputFilesMax, owner: owner)
            streams.append(SupervisedStream(descriptor: read, log: log))
            writing.append(write)
        }
        process.start(files: files.path, output: writing[0], error: writing[1])
    }

    // MARK: The task's life

    func handleProcess() {
        for event in process.take() {
            switch event {
            case .started(let pid): started(pid)
            case .ended(let outcome):
                self.outcome = outcome
                outcomeMillis = MachineClock.steadyMillis
            }
        }
        if SupervisorSignals.takeEndRequest() {
            requestKill(graceMillis: spec.task.killGraceMillis)
        }
        if pid != nil || outcome != nil { reapAdopted() }
    }

    private func started(_ pid: Int32) {
        self.pid = pid
        // The record may find the process gone already; the exit record then says all.
        let ticks = ProcessTable.stat(of: pid)?.startTicks ?? 0
        try? writeStart(pid: pid, startTicks: ticks)
        phase = .running(pid: pid)
        tellSubscribers()
        if wasKilled { askToEnd() }
    }

    /// What the task's processes left behind is ours to bury; the task's own process is waited for
    /// elsewhere, and only looked at here.
    private func reapAdopted() {
        while true {
            var info = siginfo_t()
            let flags = WEXITED | WNOHANG | WNOWAIT
            guard waitid(P_ALL, 0, &info, flags) == 0 else { return }
            let child = info._sifields._sigchld.si_pid
            guard child > 0, child != pid else { return }
            waitpid(child, nil, WNOHANG)
        }
    }

    func requestKill(graceMillis: UInt64) {
        guard report == nil else { return }
        let due = MachineClock.steadyMillis.addingCapped(graceMillis)
        killMillis = min(killMillis ?? due, due)
        if wasKilled { return }
        wasKilled = true
        askToEnd()
    }

    private var living: [ProcessStat] {
        let all = ProcessTable.all()
        var list = ProcessTable.descendants(of: getpid(), in: all)
        let members = Set(spec.cgroups.flatMap { $0.members })
        let known = Set(list.map { $0.pid })
        list += all.filter { members.contains($0.pid) && !known.contains($0.pid) }
        return list.filter { !$0.isZombie }
    }

    private func signalAll(_ number: Int32) {
        for process in living { ProcessTable.signal(process, number) }
    }

    /// SIGTERM, once to each. The command's own group gets it in one call, which no fork escapes;
    /// what is forked elsewhere meanwhile is asked when it is seen.
    private func askToEnd() {
        guard let pid else { return }
        if outcome == nil { Glibc.kill(-pid, SIGTERM) }
        for process in living where asked.insert(process.pid).inserted {
            if outcome != nil || process.group != pid { ProcessTable.signal(process, SIGTERM) }
        }
    }

    /// Stopped first, so that nobody forks a successor between look and kill.
    private func sweep() {
        signalAll(SIGSTOP)
        signalAll(SIGKILL)
    }

    private func advance(_ now: UInt64) {
        if report != nil {
            record(now)
            return
        }
        let isDue = killMillis.map { now >= $0 } ?? false
        guard outcome != nil else {
            if isDue, pid != nil { sweep() }
            // A wiped work directory is a new agent, which may give away what this task uses.
            if !files.isLocked(by: lock) {
                requestKill(graceMillis: spec.task.killGraceMillis)
            }
            return
        }
        let isAlone = living.isEmpty
        if isAlone {
            let since = emptyMillis ?? now
            emptyMillis = since
            if streams.allSatisfy({ $0.isAtEnd }) || now >= since + Self.drainMillis { finish() }
        } else if now >= max(outcomeMillis, killMillis ?? 0).addingCapped(Self.sweepMillis) {
            finish()
        } else if killMillis == nil || isDue {
            // The command has ended by itself: nothing of it may stay.
            sweep()
        } else {
            askToEnd()
        }
        if report != nil { record(now) }
    }

    private func finish() {
        guard var outcome else { return }
        let text = (try? SystemCall.readFile(files.launchError, limit: 4096)) ?? []
        if !text.isEmpty { outcome = .notStarted(String(decoding: text, as: UTF8.self)) }
        var report = ExitReport(outcome, atMillis: MachineClock.wallMillis)
        report.wasKilled = wasKilled
        report.isOutOfMemory = spec.cgroups.contains { $0.hasRunOutOfMemory }
        report.lostOutputBytes = streams.reduce(0) { $0 &+ $1.log.lostBytes }
        if let cgroupFault { report.note = "a limit could not be set: \(cgroupFault)" }
        self.report = report
    }

    /// On a full disk the supervisor stays and tries again; an agent is told at once all the same.
    private func record(_ now: UInt64) {
        guard let report, !isRecorded, now >= nextRecordMillis else { return }
        do throws(AgentError) {
            try files.write(report)
            isRecorded = true
        } catch .io(_, _, ENOENT) {
            // Somebody has removed the run: nobody will ask for it.
            isRecorded = true
        } catch { nextRecordMillis = now + Self.recordRetryMillis }
        phase = .exited(report)
        tellSubscribers()
    }

    /// Milliseconds until something is due.
    var pollTimeout: Int32 {
        if report != nil { return isRecorded ? 20 : Int32(Self.recordRetryMillis) }
        if outcome != nil { return Int32(Self.sweepPauseMillis) }
        guard let killMillis else { return Int32(Self.watchMillis) }
        let now = MachineClock.steadyMillis
        if now >= killMillis { return Int32(Self.sweepPauseMillis) }
        return Int32(min(killMillis - now, Self.watchMillis))
    }
}

/// A user of this machine.
enum Account {
    private static let bufferBytes = 64 << 10

    /// From any thread.
    static func find(_ name: String) -> (user: UInt32, group: UInt32)? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        let result = withUnsafeTemporaryAllocation(of: CChar.self, capacity: bufferBytes) {
            buffer -> Int32 in
            guard let start = buffer.baseAddress else { return ENOMEM }
            return getpwnam_r(name, &entry, start, buffer.count, &found)
        }
        return result == 0 && found != nil ? (entry.pw_uid, entry.pw_gid) : nil
    }
}
