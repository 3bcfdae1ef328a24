package import Primitives
package import Scheduling
package import StateMachine

/// What the scheduler of services acts through: the master in its own process.
package protocol ServiceSchedulerHost: AnyObject {
    var table: DatacenterTable { get }
    /// The cluster's.
    var level: FeatureLevel { get }
    func subscribe(
        _ subscription: Subscription, _ receive: @escaping (SchedulerEvent?) -> Void
    ) -> SchedulerStreamID
    func call(_ stream: SchedulerStreamID, _ call: SchedulerCall)
    /// Calls back once, unless this node stops being the master before.
    func decide(_ command: DatacenterCommand, _ done: @escaping (DecisionOutcome) -> Void)
}

/// Drives the scheduler of services on the node that is the master, as a framework without a
/// socket: performs what ``ServiceOffice`` says. Confined to the node's event loop.
package final class ServiceDriver {
    private unowned let host: any ServiceSchedulerHost
    private let settings: ServiceSchedulerSettings
    private var office = ServiceOffice()
    private var stream: SchedulerStreamID?

    package init(
        _ host: any ServiceSchedulerHost,
        settings: ServiceSchedulerSettings = ServiceSchedulerSettings()
    ) {
        self.host = host
        self.settings = settings
    }

    /// Times are in milliseconds: of the node's monotonic clock, and the cluster's.
    package func tick(now: UInt64, clusterTime: UInt64) {
        let isDue = office.tick(
            now: now, clusterTime: clusterTime, level: host.level, table: host.table,
            settings: settings, traits: RecordReading.mesos.agent)
        if isDue { perform() }
    }

    package func applied(_ changes: [DatacenterChange]) {
        if office.applied(changes) { perform() }
    }

    /// This node is not the master any more.
    package func resign() {
        office.resign()
        stream = nil
    }

    /// Of services with instances that wait.
    package func explanations() -> [ServiceID: ServiceExplanation] {
        guard let scheduler = office.scheduler else { return [:] }
        let table = host.table
        var found: [ServiceID: ServiceExplanation] = [:]
        for id in scheduler.waitingServices { found[id] = scheduler.explain(id, in: table) }
        return found
    }

    // MARK: - Steps

    private func perform() {
        while let effects = office.next(in: host.table) {
            let life = office.life
            for effect in effects where office.life == life { perform(effect) }
        }
    }

    private func perform(_ effect: ServiceSchedulerEffect) {
        switch effect {
        case .propose(let id, let command):
            let life = office.life
            host.decide(command) { [weak self] outcome in
                guard let self, office.decided(id, outcome, in: life) else { return }
                perform()
            }
        case .subscribe(let wanted):
            let own = office.subscribe()
            stream = host.subscribe(wanted) { [weak self] event in
                guard let self, office.heard(event, on: own) else { return }
                perform()
            }
        case .call(let call):
            guard let stream else { return }
            host.call(stream, call)
        }
    }
}
