import Primitives
import Replication

/// What happens to agents and frameworks, and to the master that they need.
extension Nemesis {
    func strikeDatacenter() -> Bool {
        guard !world.datacenter.agents.isEmpty else { return false }
        let agent = random.pick(world.datacenter.agents)
        switch random.draw(0...15) {
        case 0, 1:
            guard agent.isRunning else { return false }
            agent.end()
            agent.restartLater(after: random.draw(10_000...8_000_000))
        case 2, 3, 4:
            guard agent.isRunning else { return false }
            agent.endsAtWrite = true
        case 5:
            agent.losePower()
            agent.restartLater(after: random.draw(100_000...20_000_000))
        case 6:
            agent.pause()
            later(random.draw(100_000...25_000_000)) { agent.resume() }
        case 7, 8, 9: cut(agent, from: Array(world.machines.indices))
        case 10, 11:
            cut(agent, from: world.machines.indices.filter { _ in random.chance(1, in: 2) })
        case 12:
            guard random.chance(1, in: 3) else { return false }
            agent.wipe()
            agent.restartLater(after: random.draw(100_000...5_000_000))
        case 13:
            random.pick(world.datacenter.frameworks).leave(for: random.draw(1000...12_000_000))
        case _:
            guard let leader else { return false }
            world.end(leader, losingPower: random.chance(1, in: 4))
            world.restartLater(leader)
        }
        return true
    }

    /// Masters suffer in the middle of deployments, and instances die.
    func strikeServices() -> Bool {
        guard let user = world.datacenter.user else { return false }
        switch random.draw(0...9) {
        case 0, 1, 2:
            guard let leader, !world.datacenter.services.deployments.isEmpty else {
                return false
            }
            world.end(leader, losingPower: random.chance(1, in: 4))
            world.restartLater(leader)
        case 3:
            // Rules about times count on it that nobody is paused where the run has no such fault.
            guard let leader, !leader.isPaused, world.settings.enables(.pause) else {
                return false
            }
            leader.isPaused = true
            later { [unowned self] in world.resume(leader) }
        case 4:
            guard let process = leader?.process else { return false }
            process.step(.transferLeadership(to: nil))
        case 5, 6, 7: return random.pick(world.datacenter.agents).endInstance()
        case _: for _ in 0..<random.draw(2...5) { user.act() }
        }
        return true
    }

    private func cut(_ agent: SimulatedAgent, from machines: [Int]) {
        agent.cut(from: machines)
        later(random.draw(200_000...30_000_000)) { agent.heal() }
    }
}
