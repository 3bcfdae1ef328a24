import Primitives
import StateMachine

/// A client that watches a range, at one node after the other, and goes on where it was.
final class SimulatedWatcher {
    unowned(unsafe) let world: SimulatedCluster
    let number: Int
    let spec: WatchSpec
    var random: SplitMix64
    var id: WatcherID?
    var isSlow = false
    private var machine = 0
    private var life: UInt32 = 0
    /// Grows with each connection: what an earlier one brings is not taken.
    private var round = 0
    private var lastArrival: Micros = 0
    /// The position in the history of changes behind which it goes on.
    private var seen = 0
    /// The next revision that it asks for.
    private var next: Int64 = 1

    init(world: SimulatedCluster, number: Int, random: SplitMix64) {
        self.world = world
        self.number = number
        self.random = random
        let from = Bytes(Workload.key(self.random.draw(0...world.settings.keyCount / 2)))
        let isWide = self.random.chance(2, in: 3)
        let range = isWide ? WatchRange.from(Bytes([0])) : .from(from)
        spec = WatchSpec(range: range, withPrevious: self.random.chance(1, in: 2))
    }

    /// Looks for a node to watch at, soon.
    func connectLater(_ delay: Micros? = nil) {
        round += 1
        id = nil
        let round = round
        let wait = delay ?? random.draw(1000...500_000)
        world.schedule(after: wait, .watcher, machine: -1, life: 0) { [self] in
            guard round == self.round else { return }
            machine = random.draw(0...world.machines.count - 1)
            guard let process = world.machines[machine].process, process.isAlive,
                !world.machines[machine].isPaused
            else { return connectLater() }
            if next > 1 { world.counters.count(CoverageMark.watchResumed) }
            life = process.life
            isSlow = false
            lastArrival = world.now
            process.watch(self, from: next)
            if random.chance(1, in: 3) { leaveLater(round) }
        }
    }

    /// Moves to another node after a while, or is slow for some time.
    private func leaveLater(_ round: Int) {
        world.schedule(
            after: random.draw(100_000...20_000_000), .watcher, machine: -1, life: 0
        ) { [self] in
            guard round == self.round, process != nil, id != nil else { return }
            if random.chance(1, in: 2) {
                isSlow = true
                world.schedule(
                    after: random.draw(1000...5_000_000), .watcher, machine: -1, life: 0
                ) { [self] in
                    guard round == self.round, let process, let id else { return }
                    isSlow = false
                    process.hub.resume(id)
                    if process.hub.needsCatchUp { process.catchUpSoon() }
                }
            } else {
                hop()
            }
        }
    }

    /// Goes on at another node, soon.
    func hop() {
        if let process, let id {
            process.hub.remove(id)
            process.watches[id] = nil
        }
        connectLater()
    }

    private var process: SimulatedProcess? {
        guard let process = world.machines[machine].process, process.life == life,
            process.isAlive
        else { return nil }
        return process
    }

    /// The node of this watch is gone.
    func processEnded(_ machine: Int, life: UInt32) {
        if self.machine == machine, self.life == life { connectLater() }
    }

    func sent(_ delivery: WatchDelivery, by process: SimulatedProcess) {
        let round = round
        lastArrival = max(lastArrival, world.now + random.draw(20...2000))
        world.schedule(after: lastArrival - world.now, .watcher, machine: -1, life: 0) { [self] in
            guard round == self.round else { return }
            world.counters.count(CoverageMark.watchDelivered)
            take(delivery)
        }
    }

    private func take(_ delivery: WatchDelivery) {
        guard let last = delivery.events.last else { return }
        if let broken = world.rules.model.check(delivery, behind: &seen, from: next, spec: spec) {
            world.violated(broken.property, "watcher \(number) at n\(machine + 1): \(broken.what)")
        }
        next = last.record.modRevision + 1
    }

    func overtaken(_ compacted: Revision, by process: SimulatedProcess) {
        let round = round
        lastArrival = max(lastArrival, world.now + random.draw(20...2000))
        world.schedule(after: lastArrival - world.now, .watcher, machine: -1, life: 0) { [self] in
            guard round == self.round else { return }
            world.counters.count(CoverageMark.watchOvertaken)
            if compacted.rawValue <= next {
                world.violated(
                    "W11 a watch is cancelled only when it is overtaken",
                    "watcher \(number) wants \(next), compacted is \(compacted)")
            }
            next = compacted.rawValue
            connectLater()
        }
    }
}
