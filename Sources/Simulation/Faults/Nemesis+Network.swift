import Primitives

/// What happens to the network.
extension Nemesis {
    func strikeNetwork(_ kind: FaultKind) -> Bool {
        switch kind {
        case .cut: cut(anyPair(), bothWays: true)
        case .oneWayCut: cut(anyPair(), bothWays: false)
        case .isolation: isolate(victim().index)
        case .flapping: flap(anyPair(), random.draw(3...30))
        case .bridge: bridge()
        case .delay: worsen { [extra = random.draw(1000...800_000)] in $0.extraDelay = extra }
        case .reset:
            let (a, b) = anyPair()
            world.network.resetSome(a, b, all: random.chance(1, in: 2))
        case .loss: worsen { [rate = random.draw(5...300)] in $0.lossPerMille = rate }
        case .duplication: worsen { [rate = random.draw(5...500)] in $0.doublePerMille = rate }
        case .reordering: worsen { [rate = random.draw(5...300)] in $0.reorderPerMille = rate }
        case .longHold: worsen { [rate = random.draw(2...60)] in $0.holdPerMille = rate }
        case .largeFrameLoss: clog()
        case .refusedDials:
            let (a, b) = anyPair()
            world.network.change(a, b) { $0.refusesDials = true }
            world.network.resetSome(a, b, all: true)
            later { [unowned self] in world.network.change(a, b) { $0.refusesDials = false } }
        default: return false
        }
        return true
    }

    private func cut(_ pair: (Int, Int), bothWays: Bool) {
        let network = world.network!
        network.block(pair.0, pair.1)
        if bothWays { network.block(pair.1, pair.0) }
        breakLater(pair)
        later {
            network.unblock(pair.0, pair.1)
            if bothWays { network.unblock(pair.1, pair.0) }
        }
    }

    /// TCP gives up on a path that stays cut, or a firewall does it at once.
    private func breakLater(_ pair: (Int, Int)) {
        guard random.chance(1, in: 2) else { return }
        later(random.draw(100...10_000_000)) { [unowned self] in
            guard world.network.path(pair.0, pair.1).blocks > 0 else { return }
            world.network.resetSome(pair.0, pair.1, all: true)
        }
    }

    private func isolate(_ machine: Int) {
        let network = world.network!
        let ways = random.draw(0...2)
        let others = world.machines.indices.filter { $0 != machine }
        for other in others {
            if ways != 1 { network.block(machine, other) }
            if ways != 2 { network.block(other, machine) }
            breakLater((machine, other))
        }
        later {
            for other in others {
                if ways != 1 { network.unblock(machine, other) }
                if ways != 2 { network.unblock(other, machine) }
            }
        }
    }

    /// Two halves that only one machine reaches both of.
    private func bridge() {
        let network = world.network!
        let middle = random.draw(0...world.machines.count - 1)
        let others = world.machines.indices.filter { $0 != middle }
        let left = others.filter { _ in random.chance(1, in: 2) }
        let right = others.filter { !left.contains($0) }
        for a in left {
            for b in right {
                network.block(a, b)
                network.block(b, a)
            }
        }
        later {
            for a in left {
                for b in right {
                    network.unblock(a, b)
                    network.unblock(b, a)
                }
            }
        }
    }

    private func flap(_ pair: (Int, Int), _ times: Int) {
        guard times > 0 else { return }
        let network = world.network!
        network.block(pair.0, pair.1)
        network.block(pair.1, pair.0)
        later(random.draw(1000...world.settings.electionMicros)) { [unowned self] in
            network.unblock(pair.0, pair.1)
            network.unblock(pair.1, pair.0)
            later(random.draw(1000...world.settings.electionMicros)) { [unowned self] in
                flap(pair, times - 1)
            }
        }
    }

    private func worsen(_ change: @escaping (inout NetworkPath) -> Void) {
        let network = world.network!
        var pairs = [anyPair()]
        if random.chance(1, in: 3) {
            pairs = world.machines.indices.flatMap { a in
                world.machines.indices.filter { $0 != a }.map { (a, $0) }
            }
        }
        for pair in pairs { network.change(pair.0, pair.1, change) }
        later {
            for pair in pairs {
                network.change(pair.0, pair.1) { path in
                    path.extraDelay = 0
                    path.lossPerMille = 0
                    path.doublePerMille = 0
                    path.reorderPerMille = 0
                    path.holdPerMille = 0
                }
            }
        }
    }

    private func clog() {
        let network = world.network!
        let pair = anyPair()
        let limit = random.pick([100, 300, 1000])
        network.change(pair.0, pair.1) { $0.frameBytesMax = limit }
        later { [unowned self] in
            network.change(pair.0, pair.1) { $0.frameBytesMax = .max }
            network.unclog(pair.0, pair.1)
            if random.chance(1, in: 2) { network.resetSome(pair.0, pair.1, all: true) }
        }
    }
}
