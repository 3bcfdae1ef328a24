import Primitives
import Replication
import StateMachine

/// A client that observes an election at one node after the other, as `Observe` serves it: what it
/// is told is held against the model (Q7 to Q9).
final class SimulatedObserver {
    unowned(unsafe) let world: SimulatedCluster
    let number: Int
    private var random: SplitMix64
    private let prefix: [UInt8]
    private var machine = 0
    private var life: UInt32 = 0
    /// Grows with each connection: what was planned before is dropped.
    private var round = 0
    private var feed: LeaderFeed
    /// There is no room for more.
    private var isSlow = false
    /// Who leads, as far as it was told; nil also where it has to be told anew.
    private var known: ModelVersion?
    /// What happened up to here was told, or was no news.
    private var accounted: Int64 = 0

    init(world: SimulatedCluster, number: Int, random: SplitMix64) {
        self.world = world
        self.number = number
        self.random = random
        prefix = QueueEntry.prefix(SimulatedLocker.names[number % SimulatedLocker.names.count])
        feed = LeaderFeed(prefix: prefix)
    }

    // MARK: Connections

    /// Looks for a node to observe at, soon.
    func connectLater() {
        round += 1
        soon(1000...500_000) { [self] in
            machine = random.draw(0...world.machines.count - 1)
            guard let process = world.machines[machine].process, process.isAlive,
                !world.machines[machine].isPaused
            else { return connectLater() }
            life = process.life
            let round = round
            process.observe(self) { [self] isServed in
                guard round == self.round, let process = self.process else { return }
                if isServed { begin(at: process) } else { connectLater() }
            }
        }
    }

    private func begin(at process: SimulatedProcess) {
        feed = LeaderFeed(prefix: prefix)
        known = nil
        isSlow = false
        look(at: process)
        soon(100_000...20_000_000) { [self] in
            guard let process = self.process else { return }
            if random.chance(1, in: 2) { return pause(at: process) }
            process.observers.removeAll { $0 === self }
            connectLater()
        }
    }

    /// It reads nothing for a while, and goes on with what holds then.
    private func pause(at process: SimulatedProcess) {
        isSlow = true
        if random.chance(1, in: 2) {
            feed.forget()
            known = nil
        }
        soon(1000...5_000_000) { [self] in
            isSlow = false
            if let process = self.process { look(at: process) }
        }
    }

    private var process: SimulatedProcess? {
        guard let process = world.machines[machine].process, process.life == life else {
            return nil
        }
        return process
    }

    private func soon(_ range: ClosedRange<Micros>, _ body: @escaping () -> Void) {
        let round = round
        world.schedule(after: random.draw(range), .watcher, machine: -1, life: 0) { [self] in
            if round == self.round { body() }
        }
    }

    func processEnded(_ machine: Int, life: UInt32) {
        if self.machine == machine, self.life == life { connectLater() }
    }

    // MARK: What it is told

    /// As where its stream has room again, or a snapshot took the store's place.
    func look(at process: SimulatedProcess) {
        if isSlow { return }
        let store = process.replica.store
        let telling = feed.look(in: store)
        let leader = world.rules.leader(of: prefix, at: store.revision.rawValue)
        check(
            telling.map { [$0] } ?? [],
            against: isNews(leader) ? [(leader, store.revision.rawValue)] : [], at: process)
        known = leader
        accounted = store.revision.rawValue
    }

    func applied(_ events: [Record], at process: SimulatedProcess) {
        if isSlow { return }
        let store = process.replica.store
        let tellings = feed.applied(events, in: store)
        var expected: [(leader: ModelVersion?, revision: Int64)] = []
        for event in events where event.modRevision > accounted {
            guard event.key.storage.starts(with: prefix) else { continue }
            if event.modRevision <= store.compactedRevision.rawValue {
                // Of what was compacted in the same turn only who leads in the end is told.
                for telling in tellings { world.rules.told(telling, of: prefix, at: process) }
                feed.forget()
                known = nil
                return look(at: process)
            }
            let leader = world.rules.leader(of: prefix, at: event.modRevision)
            if isNews(leader) { expected.append((leader, event.modRevision)) }
            known = leader
        }
        accounted = max(accounted, events.last?.modRevision ?? 0)
        check(tellings, against: expected, at: process)
    }

    private func isNews(_ leader: ModelVersion?) -> Bool {
        guard let leader else { return false }
        return leader.key != known?.key || leader.mod != known?.mod
    }

    private func check(
        _ tellings: [LeaderFeed.Telling],
        against expected: [(leader: ModelVersion?, revision: Int64)], at process: SimulatedProcess
    ) {
        for telling in tellings { world.rules.told(telling, of: prefix, at: process) }
        let isEqual =
            tellings.count == expected.count
            && zip(tellings, expected).allSatisfy { telling, expected in
                telling.record.key.storage == expected.leader?.key
                    && telling.record.modRevision == expected.leader?.mod
                    && telling.revision.rawValue == expected.revision
            }
        if isEqual { return }
        world.violated(
            "Q8 who observes is told of each leader once and in order",
            "n\(process.machine.index + 1) at \(process.replica.store.appliedIndex) tells of "
                + "\(tellings.map { "\($0.record.modRevision) at \($0.revision)" }), not of "
                + "\(expected.map { "\($0.leader?.mod ?? 0) at \($0.revision)" })")
    }
}
