import Primitives
import Replication

/// One server's questions to the others, one after another.
final class SimulatedSearch {
    unowned(unsafe) let world: SimulatedCluster
    unowned(unsafe) let machine: SimulatedMachine
    private let lost: LostPlace
    private let life: UInt32
    private let waits: Bool
    private var places: PlaceSearch
    private var number = 0
    /// Members that are still to be asked in this round.
    private var left: [Int] = []
    private var strangers = 0
    private var nobody = 0
    private var isOver = false

    private static let deadline: Micros = .seconds(3)
    private static let retryInterval: Micros = 500_000
    private static let roundsAfterRemoval = 4

    /// - Parameter waits: until somebody has a place for it; else it begins a cluster where nobody
    ///   knows of one.
    init(
        world: SimulatedCluster, machine: SimulatedMachine, _ lost: LostPlace, waits: Bool
    ) {
        self.world = world
        self.machine = machine
        self.lost = lost
        self.waits = waits
        life = machine.life
        places = PlaceSearch(lost, policy: .auto)
    }

    func begin() {
        nobody = 0
        left = world.machines.indices.filter { $0 != machine.index }
        next()
    }

    /// Nothing of an earlier life goes on.
    private func after(_ delay: Micros, _ body: @escaping () -> Void) {
        world.schedule(after: delay, .dial, machine: machine.index, life: life, body)
    }

    private func next() {
        guard !isOver else { return }
        guard let target = left.popLast() else { return endRound() }
        ask(target)
    }

    private func endRound() {
        if !waits, places.replaces == .none { return finish(nil) }
        if case .membership = lost, nobody > 0 {
            strangers += 1
            if strangers == Self.roundsAfterRemoval { return finish(nil) }
        }
        after(Self.retryInterval) { [self] in begin() }
    }

    private func finish(_ answer: JoinAnswer?) {
        guard !isOver else { return }
        isOver = true
        world.found(answer, on: machine, lost)
    }

    private func ask(_ target: Int) {
        number += 1
        let asked = number
        let (own, network) = (machine.index, world.network!)
        let isOpen = { [world] (from: Int, to: Int) in
            network.path(from, to).blocks == 0 && world.machines[to].isPowered
        }
        guard isOpen(own, target), isOpen(target, own), world.machines[target].process != nil,
            !network.path(own, target).refusesDials
        else { return after(network.delay(own, target)) { [self] in next() } }
        let question = JoinQuestion(
            peerURLs: [machine.peerURL], level: machine.known, replaces: places.replaces,
            name: "n\(own + 1)"
        ).encode()
        after(Self.deadline) { [self] in if number == asked { next() } }
        // Whoever runs there when the question arrives answers it.
        let there = world.machines[target]
        world.schedule(
            after: network.delay(own, target), .frame, machine: target, life: there.life
        ) { [self] in
            there.process?.asked(question) { [self] answer in
                guard isOpen(target, own) else { return }
                after(network.delay(target, own)) { [self] in
                    if number == asked { answered(answer, by: target) }
                }
            }
        }
    }

    private func answered(_ bytes: [UInt8], by target: Int) {
        guard !isOver else { return }
        guard let answer = try? JoinAnswer.decode(bytes) else {
            return world.violated("P2 peers decode each other", "an answer of \(bytes.count) bytes")
        }
        number += 1
        let before = places.replaces
        switch places.take(answer) {
        case .take(let place): finish(place)
        case .ask where before == .none: ask(target)
        case .ask, .wait: next()
        case .nobody:
            nobody += 1
            next()
        case .startedBefore(let answer), .refused(let answer):
            world.violated(
                "J2 a server whose disk is lost gets a place",
                "n\(machine.index + 1) is told \(answer.verdict): \(answer.reason)")
        }
    }
}
