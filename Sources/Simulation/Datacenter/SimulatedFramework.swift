import Primitives
import Scheduling
import StateMachine

/// A framework's scheduler: subscribes, takes offers, launches, kills, acknowledges, reconciles,
/// goes away and comes back.
final class SimulatedFramework: LinkClient {
    unowned(unsafe) let world: SimulatedCluster
    let number: Int
    var random: SplitMix64
    let life: UInt32 = 1

    private(set) var id: FrameworkID?
    private var newIDs = 0
    private(set) var failoverMilliseconds: UInt64 = 0
    private(set) var isPartitionAware = false
    private var link: DatacenterLink?
    private(set) var isSubscribed = false
    private var target = 0
    private var failures = 0
    private var lastPong: Micros = 0

    var offers: [MasterOffer] = []
    /// What it was told last of each task that it wanted launched.
    var states: [TaskID: TaskState] = [:]
    /// In the order in which it wanted them.
    var tasks: [TaskID] = []
    private var tasksMade = 0
    /// The uuids of all that it was told.
    private(set) var heard: Set<[UInt8]> = []
    /// Of tasks, and of itself.
    private(set) var killsAsked: Set<TaskID> = []
    /// Of executors.
    private(set) var shutdownsAsked: Set<ExecutorID> = []
    private(set) var askedForItsEnd = false
    /// When it closed a stream by itself, the last time.
    private(set) var lastLeft: Micros = -1_000_000_000
    /// Launches nothing, and ends what there is.
    private var isFinishing = false
    private var isResting = false

    init(world: SimulatedCluster, number: Int, random: SplitMix64) {
        self.world = world
        self.number = number
        self.random = random
    }

    private func drawNature() {
        isPartitionAware = random.chance(1, in: 2)
        // Clocks that lie would end it early.
        let isPatient = number == 0 || world.datacenter.clocksLie
        failoverMilliseconds =
            isPatient ? 360_000_000 : random.pick([0, 2_000, 20_000, 360_000_000])
    }

    // MARK: Connections

    func isCut(from machine: Int) -> Bool { false }
    func deliver(_ body: @escaping () -> Void) { body() }

    func later(_ delay: Micros, _ body: @escaping () -> Void) {
        world.schedule(after: delay, .client, machine: -1, life: 0, body)
    }

    func begin() {
        drawNature()
        dialLater(random.draw(1000...500_000))
        actLater()
        pingLater()
    }

    private func dialLater(_ delay: Micros) { later(delay) { [self] in dial() } }

    private func dial() {
        guard link == nil else { return }
        let machine = world.machines[target]
        guard let process = machine.process, process.isAlive, machine.isPowered else {
            return tryNext()
        }
        let link = world.datacenter.connect(self, to: process, &random)
        self.link = link
        lastPong = world.now
        let subscription = subscription
        link.toNode { [self] process in
            if process.master.subscribe(subscription, link) { return }
            let leader = process.master.leader
            link.toClient { [self] in redirected(to: leader, from: link) }
        }
    }

    private var subscription: Subscription {
        newIDs += 1
        var subscription = Subscription(
            id: id ?? FrameworkID(""), newID: FrameworkID("f\(number)-\(newIDs)"), info: [1],
            roles: number % 2 == 0 ? ["*"] : ["web"])
        subscription.capabilities = isPartitionAware ? FrameworkRecord.partitionAware : 0
        subscription.failoverMilliseconds = failoverMilliseconds
        return subscription
    }

    private func tryNext() {
        target = (target + 1) % world.settings.machineCount
        failures += 1
        let isRoundDone = failures % world.settings.machineCount == 0
        dialLater(isRoundDone ? random.draw(50_000...600_000) : random.draw(100...2000))
    }

    private func redirected(to leader: Int?, from link: DatacenterLink) {
        guard self.link === link else { return }
        drop()
        guard let leader, leader != target else { return tryNext() }
        target = leader
        dialLater(random.draw(100...20_000))
    }

    private func drop() {
        link?.closeAtClient()
        link = nil
        isSubscribed = false
        offers = []
    }

    func closed(_ link: DatacenterLink) {
        guard self.link === link else { return }
        drop()
        tryNext()
    }

    private func pingLater() {
        later(5_000_000) { [self] in
            if let link {
                if world.now - lastPong > 15_000_000 {
                    lastLeft = world.now
                    drop()
                    tryNext()
                } else {
                    link.toNode { [self] _ in
                        link.toClient { [self] in lastPong = world.now }
                    }
                }
            }
            pingLater()
        }
    }

    /// It goes away by itself, for a while.
    func leave(for duration: Micros) {
        guard link != nil else { return }
        world.counters.count(CoverageMark.frameworkLeft)
        lastLeft = world.now
        drop()
        dialLater(duration)
    }

    // MARK: What it hears

    func heard(_ event: SchedulerEvent) {
        switch event {
        case .subscribed(let id):
            world.trace.note(world.now, -1, "framework subscribed", UInt64(number))
            self.id = id
            isSubscribed = true
            failures = 0
            offers = []
        case .offers(let made): offers += made
        case .rescind(let id): offers.removeAll { $0.id == id }
        case .update(let update): heard(update)
        case .message, .failure: break
        case .error(let reason): refused(reason)
        }
    }

    private func heard(_ update: TaskUpdate) {
        states[update.key.task] = update.state
        if update.cause == .invalidOffers {
            world.datacenter.wasDropped(update.key)
        }
        guard !update.uuid.isEmpty else { return }
        heard.insert(update.uuid)
        later(random.draw(50...20_000)) { [self] in
            call(.acknowledge(update.key.task, uuid: update.uuid))
        }
    }

    private func refused(_ reason: String) {
        world.trace.note(world.now, -1, "framework is refused", UInt64(number), text: reason)
        if let id, world.datacenter.ledger.endedFrameworks.contains(id) { becomeAnother() }
    }

    /// Its id is over: whoever comes back is another framework.
    private func becomeAnother() {
        world.counters.count(CoverageMark.frameworkEnded)
        id = nil
        states = [:]
        tasks = []
        heard = []
        killsAsked = []
        shutdownsAsked = []
        askedForItsEnd = false
        drawNature()
    }

    // MARK: What it does

    func call(_ call: SchedulerCall) {
        guard let link, isSubscribed else { return }
        link.toNode { process in process.master.call(call, link) }
    }

    private func actLater() {
        later(random.spread(isFinishing ? 200_000 : 400_000, upTo: 8)) { [self] in
            if isSubscribed {
                if isFinishing { finishOn() } else if !isResting { act() }
            }
            actLater()
        }
    }

    private func act() {
        switch random.draw(0...39) {
        case 0..<14: if !offers.isEmpty { accept(offers.remove(at: 0)) }
        case 14..<18: decline()
        case 18..<22: killSome()
        case 22, 23: call(.reconcile([]))
        case 24: call(.reconcile(Array(tasks.suffix(5))))
        case 25: leave(for: random.draw(1000...3_000_000))
        case 26 where random.chance(1, in: 4): leave(for: random.draw(1_000_000...40_000_000))
        case 27 where number != 0 && random.chance(1, in: 8): end()
        case 28: call(.revive(roles: []))
        case 29: useTwice()
        case 30: shutDownOne()
        default: break
        }
    }

    private func end() {
        askedForItsEnd = true
        call(.teardown)
    }

    private func decline() {
        guard !offers.isEmpty else { return }
        let offer = offers.remove(at: random.draw(0...offers.count - 1))
        call(.decline(offers: [offer.id], refuseMilliseconds: random.pick([0, 500, 3000])))
    }

    private func killSome() {
        guard let task = tasks.filter({ states[$0]?.isTerminal != true }).last else { return }
        kill(task)
    }

    private func kill(_ task: TaskID) {
        killsAsked.insert(task)
        call(.kill(task, graceMilliseconds: random.pick([0, 1, 500])))
    }

    /// Where its executors were wanted, each once.
    private var executors: [DatacenterLedger.ExecutorPlace] {
        guard let id else { return [] }
        var places: [DatacenterLedger.ExecutorPlace] = []
        for key in world.datacenter.ledger.launches(of: id) {
            guard let place = world.datacenter.ledger.launched[key]?.executor,
                !places.contains(place)
            else { continue }
            places.append(place)
        }
        return places
    }

    private func shutDownOne() {
        guard let place = executors.last else { return }
        shutDown(place)
    }

    private func shutDown(_ place: DatacenterLedger.ExecutorPlace) {
        shutdownsAsked.insert(place.executor)
        call(.shutdown(place.executor, place.agent))
    }

    /// One offer for two answers: the second one must not count.
    private func useTwice() {
        guard let offer = offers.first else { return }
        offers.removeFirst()
        accept(offer)
        accept(offer)
    }

    private func accept(_ offer: MasterOffer) {
        var cpus = offer.resources.cpus / 1000
        var operations: [AcceptedOperation] = []
        var launches: [TaskLaunch] = []
        let executor = executor()
        while cpus > 0, launches.count < 4, random.chance(2, in: 3) {
            cpus -= 1
            launches.append(launch(offer.role, executor))
        }
        if launches.count >= 2, random.chance(1, in: 3) {
            operations.append(.launchGroup(Array(launches.prefix(2))))
            launches.removeFirst(2)
        }
        operations += launches.map { .launch($0) }
        call(
            .accept(
                offers: [offer.id], operations, refuseMilliseconds: random.pick([0, 0, 500, 2000])))
    }

    /// Who is to run what one offer is used for.
    private func executor() -> TaskLaunch.Executor? {
        guard world.settings.bringsExecutors, random.chance(1, in: 2) else { return nil }
        return TaskLaunch.Executor(
            id: ExecutorID(random.pick(["x0", "x1"])),
            resources: (try? ResourcesParser.parse("cpus:0.1;mem:8")) ?? .empty, info: [1])
    }

    private func launch(_ role: ByteText, _ executor: TaskLaunch.Executor?) -> TaskLaunch {
        tasksMade += 1
        let task = TaskID("t\(number)-\(tasksMade)")
        tasks.append(task)
        var script = TaskScript(
            duration: random.chance(1, in: 4) ? nil : random.spread(400_000, upTo: 64))
        script.code = random.chance(1, in: 4) ? 1 : 0
        script.isFetched = random.chance(1, in: 4)
        script.fetchFails = script.isFetched && random.chance(1, in: 8)
        let text = random.pick(["cpus:1;mem:64", "cpus:0.5;mem:16", "cpus:0.1"])
        var launch = TaskLaunch(
            task: task, role: role, resources: (try? ResourcesParser.parse(text)) ?? .empty,
            info: Array(script.text(of: task.description).utf8))
        launch.executor = executor
        return launch
    }

    // MARK: The end

    /// Everything heals: it wants nothing new.
    func rest() { isResting = true }

    /// It ends what there is.
    func finish() { isFinishing = true }

    private func finishOn() {
        for offer in offers {
            call(.decline(offers: [offer.id], refuseMilliseconds: 100_000))
        }
        offers = []
        guard let id else { return }
        for key in world.datacenter.ledger.launches(of: id)
        where !world.datacenter.ledger.ended.contains(key) { kill(key.task) }
        if random.chance(1, in: 4) { call(.reconcile([])) }
        for place in executors { shutDown(place) }
    }
}
