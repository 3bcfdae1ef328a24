import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// What one run came to.
package struct RunResult: Sendable {
    package var seed: UInt64
    package var nodeCount: Int
    package var traceHash: String
    package var simulatedMicros: Micros
    package var events: UInt64
    package var counters: Counters
    package var violation: Violation?
    /// The end of the trace, only where something was broken.
    package var tail: [String]
    package var operations: Int
    package var committed: UInt64
}

/// One seed from its first start to its last check.
package struct SimulationRun {
    package let settings: RunSettings

    package init(_ settings: RunSettings) { self.settings = settings }

    package func result() -> RunResult {
        let world = SimulatedCluster(settings)
        var violation: Violation?
        do throws(Violation) {
            try world.runStorm()
            if settings.enables(.ruin) { try world.runRuin() } else { try world.runCalm() }
        } catch { violation = error }
        let result = RunResult(
            seed: settings.seed, nodeCount: settings.nodeCount, traceHash: world.trace.text,
            simulatedMicros: world.now, events: world.trace.count, counters: world.counters,
            violation: violation, tail: violation == nil ? [] : world.trace.tail,
            operations: world.history.count, committed: world.rules.model.lastIndex.rawValue)
        world.dismantle()
        return result
    }
}

extension SimulatedCluster {
    /// The safety phase: everything may go wrong, and every promise is watched.
    package func runStorm() throws(Violation) {
        startAll()
        nemesis.start()
        try run(until: settings.safetyMicros)
    }

    func startAll() {
        for machine in machines {
            schedule(
                after: random.draw(0...200_000), .life, machine: machine.index, life: 0
            ) { [unowned self] in start(machine) }
        }
        for client in clients { client.thinkAgain() }
        for watcher in watchers { watcher.connectLater() }
        for locker in lockers { locker.beginLater() }
        for observer in observers { observer.connectLater() }
        datacenter.start()
    }

    /// The liveness phase: everything heals, and the cluster has to come back within a time.
    package func runCalm() throws(Violation) {
        isCalm = true
        nemesis.stop()
        let bound = now + Self.calmMicros + 20 * settings.electionMicros
        trace.note(now, -1, "calm")
        for client in clients { client.isStopped = true }
        for locker in lockers { locker.stop() }
        while now < bound {
            try run(until: now + 500_000)
            try raiseNoAlarm()
            if isConverged { break }
        }
        guard isConverged else {
            throw Violation(
                property: "V3 after all faults all members become one", what: describe())
        }
        try checkProbes()
        try checkLocks()
        try checkDatacenter()
        try checkEnd()
    }

    private static let calmMicros: Micros = .seconds(30)

    /// Machines that have to take part in the end: whose disk holds what it should, and whose disk
    /// was damaged and has mended itself from the others. Damage at the log's very end may look as
    /// if nothing had been there; then the others know better, and turn the machine away.
    var healthy: [SimulatedMachine] {
        machines.filter { machine in
            let isTurnedAway = machine.process?.gate.admission.rejected ?? false
            return machine.isMember && !rules.removed.contains(machine.id) && !machine.isSacrificed
                && !machine.awaitsOperator && !(machine.isRotten && isTurnedAway)
        }
    }

    private var isConverged: Bool {
        let processes = healthy.compactMap(\.process)
        guard processes.count == healthy.count, let first = processes.first,
            machines.contains(where: { $0.process?.replica.isLeader == true })
        else { return false }
        return areMembersSettled
            && processes.allSatisfy {
                $0.replica.store.appliedIndex == first.replica.store.appliedIndex
                    && $0.replica.store.digest == first.replica.store.digest
                    && $0.replica.raft.commitIndex == $0.replica.raft.lastIndex
                    && $0.replica.raft.leader != nil && !$0.writer.log.isPreparingDue
            }
    }

    /// Whoever was removed has left, and whoever is to vote does.
    private var areMembersSettled: Bool {
        guard settings.changesMembers else { return true }
        if settings.spareCount > 0 { nemesis.retireWhoIsOut() }
        guard machines.allSatisfy({ !rules.removed.contains($0.id) }),
            !settings.rejoins || !machines.contains(where: { $0.isSacrificed || $0.isReturning }),
            let leader = nemesis.leader?.process
        else { return false }
        let configuration = leader.replica.raft.configuration
        let lost = machines.filter { $0.isSacrificed || $0.isRotten }.map(\.id)
        return leader.replica.store.members.records.allSatisfy { record in
            configuration.role(of: record.id) == record.role
                && (record.role != .joining || lost.contains(record.id))
        }
    }

    /// Space alarms are the operator's: somebody lowers them.
    private func raiseNoAlarm() throws(Violation) {
        guard
            let process = machines.lazy.compactMap(\.process).first(where: {
                $0.replica.isLeader
            })
        else { return }
        for alarm in process.replica.store.alarms.raised {
            process.proposeOwn(
                .alarm,
                AlarmRequest(.deactivate, member: alarm.member, kind: alarm.kind).encode())
        }
    }

    /// A write through every healthy node is acknowledged.
    private func checkProbes() throws(Violation) {
        var left: [Int] = []
        for machine in healthy {
            guard let process = machine.process else { continue }
            let probe = SimulatedClient(
                world: self, number: 1000 + machine.index, random: random.fork())
            clients.append(probe)
            left.append(probe.number)
            probe.probe(process)
        }
        let bound = now + Self.calmMicros + 10 * settings.electionMicros
        while now < bound, clients.contains(where: { $0.isProbing }) {
            try run(until: now + 100_000)
            // One that was raised before may be agreed on only now.
            try raiseNoAlarm()
        }
        for client in clients where client.isProbing {
            throw Violation(
                property: "V1 a healthy cluster takes writes",
                what: "n\(client.number - 999) acknowledges none: \(describe())")
        }
        while now < bound, !isConverged { try run(until: now + 100_000) }
    }

    /// Q4: whoever wants a lock gets it, also behind owners that died, and no key is left.
    private func checkLocks() throws(Violation) {
        guard !lockers.isEmpty else { return }
        for locker in lockers { locker.finish() }
        let bound = now + Self.calmMicros + 30 * settings.electionMicros
        while now < bound, lockers.contains(where: \.isFinishing) || !queuedKeys.isEmpty {
            try run(until: now + 100_000)
            try raiseNoAlarm()
        }
        if lockers.contains(where: \.isFinishing) || !queuedKeys.isEmpty {
            let left = lockers.filter(\.isFinishing).map(\.number)
            throw Violation(
                property: "Q4 locks pass on",
                what: "lockers \(left) wait; there are \(queuedKeys): \(describe())")
        }
        while now < bound, !isConverged { try run(until: now + 100_000) }
    }

    /// T2, T3, T5, T6 and T9: everything that was launched is accounted for, services are what they
    /// are to be, and nothing is left.
    private func checkDatacenter() throws(Violation) {
        try datacenter.checkConvergence()
        let bound = now + Self.calmMicros
        while now < bound, !datacenter.agents.isEmpty, !isConverged {
            try run(until: now + 100_000)
        }
    }

    private var queuedKeys: [String] {
        SimulatedLocker.names.flatMap { name in
            let prefix = QueueEntry.prefix(name)
            return rules.model.versions(key: prefix, end: KeyQueue.end(of: prefix))
                .map { "\(Bytes($0.key)) of \($0.create)" }
        }
    }

    /// K1: what was acknowledged is there, on every member.
    private func checkEnd() throws(Violation) {
        for machine in healthy {
            guard let process = machine.process else { continue }
            if process.replica.store.appliedIndex < rules.acknowledgedFloor {
                throw Violation(
                    property: "K1 what is acknowledged is durable",
                    what: "n\(machine.index + 1) ends at \(process.replica.store.appliedIndex),"
                        + " \(rules.acknowledgedFloor) was acknowledged")
            }
            process.replica.store.checkInvariants()
            if let difference = rules.model.difference(process.replica.store) {
                throw Violation(
                    property: "K8 replicas are identical",
                    what: "n\(machine.index + 1) ends with \(difference)")
            }
        }
    }

    func describe() -> String {
        machines.map { machine in
            guard machine.isMember else { return "n\(machine.index + 1) no member" }
            guard let process = machine.process else { return "n\(machine.index + 1) down" }
            let raft = process.replica.raft
            return "n\(machine.index + 1) \(raft.role) term \(raft.term) last \(raft.lastIndex)"
                + " commit \(raft.commitIndex) applied \(process.replica.store.appliedIndex)"
                + " leader \(raft.leader ?? .none)"
                + (process.gate.isAdmitted ? "" : " not admitted")
                + (process.writer.log.rotten.isEmpty ? "" : " with \(process.writer.log.rotten)")
                + (process.gate.admission.rejected ? " turned away" : "")
                + (machine.isSacrificed ? " sacrificed" : "")
                + (settings.changesMembers ? " \(process.replica.raft.configuration)" : "")
        }.joined(separator: "; ")
    }

    /// Lets go of everything: processes, closures and connections refer to each other.
    func dismantle() {
        for machine in machines where machine.process != nil {
            network.processEnded(on: machine.index, silently: true)
            machine.process = nil
        }
        queue = EventQueue()
        clients = []
        watchers = []
        lockers = []
        observers = []
        datacenter.dismantle()
    }
}
