import Replication
import Scheduling
import StateMachine

/// The scheduler of services on the node that is the master, driven as ControlPlane's
/// `ServiceDriver` drives it.
extension SimulatedMaster {
    func tickServices(_ clusterTime: UInt64) {
        let isDue = services.tick(
            now: now, clusterTime: clusterTime, level: process.replica.store.members.clusterLevel,
            table: table,
            settings: world.settings.serviceSettings, traits: { SimulatedPlace.traits(of: $0) })
        if isDue { performServices() }
    }

    func resignServices() {
        services.resign()
        serviceStreams = [:]
        serviceStream = nil
    }

    func performServices() {
        while let effects = services.next(in: table) {
            let life = services.life
            for effect in effects where services.life == life { perform(effect) }
        }
    }

    private func perform(_ effect: ServiceSchedulerEffect) {
        switch effect {
        case .propose(let id, let command): propose(id, command)
        case .subscribe(let subscription):
            let stream = SchedulerStreamID(nextID())
            serviceStreams[stream] = services.subscribe()
            serviceStream = stream
            step(.scheduler(stream, .subscribes(subscription)))
        case .call(let call):
            guard let serviceStream else { return }
            world.datacenter.accepted(call, on: process)
            step(.scheduler(serviceStream, .call(call)))
        }
    }

    private func propose(_ id: DecisionID, _ command: DatacenterCommand) {
        guard let term = office.master?.term else { return }
        let life = services.life
        // The log cannot have it before this node has said so to others.
        let request = decide(command) { [unowned self] outcome in
            guard office.master?.term == term, services.decided(id, outcome, in: life) else {
                return
            }
            performServices()
        }
        world.datacenter.decided(command, request, on: process)
    }
}
