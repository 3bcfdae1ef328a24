import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// A cluster, its machines, network and clients, in one value of virtual time from one seed.
///
/// One thread runs it. Everything that happens is an event of its queue; the events between two of
/// them take no time.
package final class SimulatedCluster {
    static let clusterID = ClusterID(0x6B65_656C)

    package let settings: RunSettings
    package private(set) var now: Micros = 0
    package internal(set) var trace: Trace
    package internal(set) var counters = Counters()
    /// What clients did, in the order in which it ended.
    package internal(set) var history: [ClientRecord] = []
    package private(set) var violation: Violation?
    var random: SplitMix64
    var queue = EventQueue()
    var machines: [SimulatedMachine] = []
    private(set) var network: SimulatedNetwork!
    private(set) var rules: ClusterRules!
    private(set) var datacenter: SimulatedDatacenter!
    var nemesis: Nemesis!
    var clients: [SimulatedClient] = []
    var watchers: [SimulatedWatcher] = []
    var lockers: [SimulatedLocker] = []
    var observers: [SimulatedObserver] = []
    /// Processes that ended in the event that runs now.
    private var ended: [SimulatedProcess] = []
    /// Chance of its own, so that runs without older builds are what they are.
    private var levelDraws: SplitMix64
    /// The storm is over: nothing goes wrong any more.
    var isCalm = false

    package init(_ settings: RunSettings) {
        self.settings = settings
        trace = Trace(linesMax: settings.traceLinesMax)
        random = SplitMix64(seed: settings.seed)
        levelDraws = SplitMix64(seed: settings.seed ^ 0x6C65_7665_6C73_2121)
        let founders = (1...settings.nodeCount).map { NodeID(UInt64($0)) }
        for index in 0..<settings.machineCount {
            let machine = SimulatedMachine(
                index: index, seed: random.next(), isMember: index < settings.nodeCount)
            machines.append(machine)
            machine.initialVoters = founders
            if settings.disksLie {
                var rates = FaultRates()
                rates.lostWrite = 2000
                machine.disk.setRates(rates)
            }
        }
        network = SimulatedNetwork(world: self, machineCount: settings.machineCount)
        for index in 0..<settings.olderCount { machines[index].known = .first }
        rules = ClusterRules(world: self)
        datacenter = SimulatedDatacenter(world: self)
        nemesis = Nemesis(world: self, random: random.fork())
        for number in 0..<settings.clientCount {
            clients.append(SimulatedClient(world: self, number: number, random: random.fork()))
        }
        for number in 0..<settings.watcherCount {
            watchers.append(SimulatedWatcher(world: self, number: number, random: random.fork()))
        }
        layPrehistory()
        // From a generator of their own, so that the other runs are what they are.
        var others = SplitMix64(seed: settings.seed ^ 0x6C6F_636B_6572_7321)
        for number in 0..<settings.lockerCount {
            lockers.append(SimulatedLocker(world: self, number: number, random: others.fork()))
        }
        for number in 0..<(lockers.isEmpty ? 0 : 2) {
            observers.append(SimulatedObserver(world: self, number: number, random: others.fork()))
        }
        var third = SplitMix64(seed: settings.seed ^ 0x6167_656E_7473_2121)
        datacenter.populate(&third)
    }

    /// What the first leader puts on record: not more than the flags say. Who has not said its
    /// version has not started yet.
    var founders: [MemberAttributes] {
        machines[..<settings.nodeCount].map { machine in
            MemberAttributes(
                member: NodeID(UInt64(machine.index) + 1), name: "n\(machine.index + 1)",
                clientURLs: [], peerURLs: ["n\(machine.index + 1).0"], version: "")
        }
    }

    /// The machine that is this member now.
    func machine(of id: NodeID) -> SimulatedMachine? { machines.first { $0.id == id } }

    func violated(_ property: String, _ what: String) {
        if violation == nil { violation = Violation(property: property, what: what) }
    }

    // MARK: Events

    func schedule(
        after delay: Micros, _ kind: EventQueue.Kind, machine: Int, life: UInt32,
        _ body: @escaping () -> Void
    ) {
        queue.add(at: now + max(0, delay), kind, machine: machine, life: life, body)
    }

    func scheduleTick(after delay: Micros, _ machine: SimulatedMachine, life: UInt32) {
        queue.add(at: now + max(1, delay), .tick, machine: machine.index, life: life, nil)
    }

    /// Runs what is due until `end`.
    func run(until end: Micros) throws(Violation) {
        while let time = queue.nextTime, time <= end {
            guard let event = queue.next() else { break }
            now = time
            perform(event)
            if let violation { throw violation }
        }
        now = max(now, end)
    }

    private func perform(_ event: EventQueue.Event) {
        guard event.machine >= 0 else {
            trace.fold(UInt64(truncatingIfNeeded: now) ^ UInt64(event.kind.rawValue) << 56)
            event.body?()
            return
        }
        let machine = machines[Int(event.machine)]
        if event.life != 0 {
            guard machine.life == event.life else { return }
            if machine.isPaused {
                machine.deferred.append(event)
                return
            }
        }
        trace.fold(
            UInt64(truncatingIfNeeded: now) ^ UInt64(event.kind.rawValue) << 56
                ^ UInt64(event.machine) << 48)
        if let body = event.body { body() } else { machine.process?.tick() }
        if machine.isDoomed, machine.disk.isPowerOff { doomStruck(machine) }
        if !ended.isEmpty { ended = [] }
    }

    /// A paused process goes on: what came meanwhile is handled at once. Each of its sources is in
    /// order; which of them an event loop looks at first is chance: clients, say, before the clock.
    func resume(_ machine: SimulatedMachine) {
        guard machine.isPaused else { return }
        machine.isPaused = false
        var sources: [[EventQueue.Event]] = [[], [], [], []]
        for event in machine.deferred { sources[event.kind.source].append(event) }
        machine.deferred = []
        var time = now
        while !sources.isEmpty {
            let source = sources.remove(at: random.draw(0...sources.count - 1))
            for event in source {
                queue.add(
                    at: time, event.kind, machine: Int(event.machine), life: event.life, event.body)
            }
            time += random.draw(0...100)
        }
    }

    // MARK: Lives of processes

    /// In a run that begins with older builds a restart is when one is replaced, every other time.
    private func considerUpgrade(of machine: SimulatedMachine) {
        guard settings.upgradesAtRestart, machine.known < .newest, machine.life > 1,
            levelDraws.chance(1, in: 2)
        else { return }
        trace.note(now, machine.index, "is upgraded")
        counters.count(CoverageMark.buildUpgraded)
        machine.known = .newest
    }

    /// Opens the disk and starts a process on it, as an operator's supervisor would.
    func start(_ machine: SimulatedMachine) {
        machine.isRestarting = false
        guard machine.process == nil, machine.isPowered, machine.isMember else { return }
        machine.life += 1
        trace.note(now, machine.index, "starts, life", UInt64(machine.life))
        considerUpgrade(of: machine)
        if settings.rejoins { return identify(machine) }
        open(machine)
    }

    func open(_ machine: SimulatedMachine) {
        do {
            let storage = try NodeStorage.open(place(of: machine), fileSystem: machine.disk) { _ in
            }
            opened(storage, on: machine)
        } catch {
            recoveryFailed(machine, error)
        }
    }

    /// Where a start finds its state; with what is drawn for each start.
    func place(of machine: SimulatedMachine) -> NodePlace {
        var place = NodePlace(
            path: "/data",
            identity: NodeIdentity(
                clusterID: Self.clusterID, memberID: machine.id, name: "n\(machine.index + 1)",
                initialVoters: machine.initialVoters),
            freshDisk: UInt32(truncatingIfNeeded: random.next()) | 1, nonce: random.next() | 1,
            logOptions: LogOptions(
                segmentBytes: settings.segmentBytes, batchBytesMax: settings.batchBytesMax,
                compressionMinBytes: 2048, spareSegments: 1), known: machine.known)
        place.reserveBytesMin = 96 << 10
        return place
    }

    private func opened(_ storage: NodeStorage, on machine: SimulatedMachine) {
        machine.awaitsOperator = false
        if storage.log.tornBytesCut > 0 { counters.count(CoverageMark.tornTailCut) }
        if !storage.log.rotten.isEmpty {
            counters.count(CoverageMark.rotFound)
            if !machine.isRotten, !machine.hasReadFaults {
                violated(
                    "D01 a torn tail is no rot",
                    "n\(machine.index + 1) finds \(storage.log.rotten) on a disk without damage")
            }
        }
        trace.note(
            now, machine.index, "opens, segments", UInt64(storage.log.segmentCount),
            storage.log.lastIndex.rawValue, text: storage.log.rotten.isEmpty ? "" : "damaged")
        if storage.checkpoints.newest != nil { counters.count(CoverageMark.checkpointLoaded) }
        rules.restarted(storage.restored.hardState, on: machine)
        rules.loaded(storage.store, on: machine)
        let process = SimulatedProcess(
            world: self, machine: machine, storage: storage)
        machine.process = process
        process.start()
        nemesis.started(machine)
    }

    func recoveryFailed(_ machine: SimulatedMachine, _ error: any Error) {
        counters.count(CoverageMark.recoveryFailed)
        trace.note(
            now, machine.index, "recovery fails, life", UInt64(machine.life), text: "\(error)")
        if machine.disk.isPowerOff, machine.isDoomed { return doomStruck(machine) }
        if error is NewerData, machine.isOutdated { return machine.disk.killProcess() }
        if !machine.hasDiskFaults, !machine.isRotten {
            violated(
                "V5 a disk without damage can be opened", "n\(machine.index + 1): \(error)")
        }
        if machine.isRotten, case StorageError.corrupt(let path, _, _) = error,
            SimulatedCluster.twoSlotFiles.contains(path)
        {
            // Rot in both slots is more than such a file can bear: that the start asks for an
            // operator is all that is right. A later start may find them whole: reads fail now and
            // then.
            machine.awaitsOperator = true
        }
        machine.disk.killProcess()
        restartLater(machine)
    }

    private static let twoSlotFiles = ["/data/peers", "/data/hardstate", "/data/boot"]

    /// The node stopped by itself.
    func halted(_ process: SimulatedProcess, _ reason: NodeHalt) {
        let machine = process.machine
        counters.count(CoverageMark.nodeHalted)
        trace.note(now, machine.index, "halts, life", UInt64(machine.life), text: "\(reason)")
        switch reason {
        case .replica(.removed), .replica(.diskLost):
            let lost = settings.rejoins ? process.lostPlace(after: reason) : nil
            end(machine, losingPower: false)
            guard let lost else { return left(machine) }
            return comeBack(machine, lost)
        case .replica(.outdated) where machine.isOutdated,
            .replica(.unknownCommand) where machine.isOutdated:
            return end(machine, losingPower: false)
        case .replica:
            violated("K8 replicas are identical", "n\(machine.index + 1) halts: \(reason)")
        case .storage:
            if !machine.hasDiskFaults, !machine.isRotten {
                violated(
                    "V5 a node without faults goes on", "n\(machine.index + 1) halts: \(reason)")
            }
        }
        end(machine, losingPower: false)
        restartLater(machine)
    }

    /// The cluster has told a member that it is none any more.
    func left(_ machine: SimulatedMachine) {
        if !rules.out.contains(machine.id) {
            violated(
                "M10 only who was removed leaves", "n\(machine.index + 1), member \(machine.id)")
        }
        retire(machine)
    }

    /// A machine that is out of the cluster becomes a fresh one.
    func retire(_ machine: SimulatedMachine) {
        trace.note(now, machine.index, "retires, member", machine.id.rawValue)
        counters.count(CoverageMark.memberRemoved)
        rules.removalsOnTheWay.remove(machine.id)
        if machine.process != nil { end(machine, losingPower: true) }
        machine.retire(seed: random.next())
        rules.promised[machine.index] = .initial
    }

    /// Somebody has applied a change of the members: a new one is started by its operator.
    func membersChanged(_ members: MemberTable, voters: [NodeID]) {
        rules.removed.formUnion(members.removed)
        for id in members.voters where id.rawValue > UInt64(settings.nodeCount) {
            if rules.promoted.insert(id).inserted { counters.count(CoverageMark.memberPromoted) }
        }
        if settings.rejoins { rules.placesGiven(members, voters: voters) }
        for machine in machines where !machine.isMember {
            guard let record = members.records.first(where: { $0.peerURLs == [machine.peerURL] })
            else { continue }
            machine.id = record.id
            machine.initialVoters = voters
            counters.count(CoverageMark.memberAdded)
            trace.note(now, machine.index, "is member", record.id.rawValue)
            restartLater(machine)
        }
    }

    /// The count of operations ran out: the process ends where it is.
    private func doomStruck(_ machine: SimulatedMachine) {
        end(machine, losingPower: machine.losesPower)
        restartLater(machine)
    }

    /// Ends the process, if there is one. The disk keeps what it has, or loses what a power loss
    /// may take.
    func end(_ machine: SimulatedMachine, losingPower: Bool, _ kind: CrashKind? = nil) {
        trace.note(now, machine.index, losingPower ? "loses power" : "ends", UInt64(machine.life))
        let endedLife = machine.life
        machine.life += 1
        machine.isDoomed = false
        machine.losesPower = false
        machine.isPaused = false
        machine.deferred = []
        if let process = machine.process {
            process.stopped = true
            machine.process = nil
            ended.append(process)
            network.processEnded(on: machine.index, silently: losingPower)
            datacenter.processEnded(on: machine.index, life: endedLife, silently: losingPower)
            for client in clients { client.processEnded(machine.index) }
            for locker in lockers { locker.processEnded(machine.index) }
            for observer in observers { observer.processEnded(machine.index, life: endedLife) }
            for watcher in watchers {
                watcher.processEnded(machine.index, life: endedLife)
            }
        }
        if losingPower {
            machine.disk.crash(kind ?? random.pick(CrashKind.allCases))
        } else {
            machine.disk.killProcess()
        }
    }

    /// At once, whatever was waited for.
    func restartSoon(_ machine: SimulatedMachine) {
        machine.isRestarting = false
        restartLater(machine, after: 1)
    }

    func restartLater(_ machine: SimulatedMachine, after delay: Micros? = nil) {
        guard !machine.isRestarting else { return }
        machine.isRestarting = true
        let wait = delay ?? random.spread(settings.restartMicros, upTo: 8)
        schedule(after: wait, .life, machine: machine.index, life: 0) { [unowned self] in
            guard machine.isRestarting else { return }
            machine.isPowered = true
            start(machine)
        }
    }
}
