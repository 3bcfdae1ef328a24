import Replication
import Scheduling
import StateMachine

// T1: no resource is promised twice.
extension SimulatedDatacenter {
    private static let nothingTwice = "T1 no resource is promised twice"

    /// What tasks and executors hold on an agent, and what is offered of it, is never more than it
    /// has.
    func promised(by master: Master, _ table: DatacenterTable, on machine: SimulatedMachine) {
        let offers = master.offers
        for id in table.agentIDs {
            guard let agent = table.agents[id], agent.record.phase != .gone else { continue }
            var sum = agent.used
            for offer in offers where offer.agent == id {
                sum = (try? sum.adding(offer.resources)) ?? sum
            }
            if agent.record.total.subtracting(sum) == nil {
                world.violated(
                    Self.nothingTwice,
                    "n\(machine.index + 1) as master of term \(master.term): agent \(id) has"
                        + " \(agent.record.total), \(agent.used) is used and with offers it is"
                        + " \(sum)")
            }
        }
    }

    /// Nor do processes that run take more than their machine has.
    func checkLoad(of agent: SimulatedAgent) {
        guard let id = agent.id else { return }
        var cpus: Int64 = 0
        var total: Int64 = 0
        for process in world.machines.lazy.compactMap(\.process) {
            let table = process.replica.store.datacenterTable
            guard let record = table.agents[AgentID(id)]?.record else { continue }
            total = record.total.cpus
            for key in ledger.order where agent.isLive(key, ledger.launched[key]?.sequence ?? 0) {
                guard let task = table.tasks[key] else { continue }
                cpus += task.resources.cpus
            }
            break
        }
        if cpus > total {
            world.violated(
                Self.nothingTwice, "agent \(id) runs \(cpus) thousandths, it has \(total)")
        }
    }
}
