internal import DequeModule
package import Scheduling
package import StateMachine

/// What the scheduler of services acts through: the master in its own process.
package protocol ServiceSchedulerHost: AnyObject {
    var table: DatacenterTable { get }
    func subscribe(
        _ subscription: Subscription, _ receive: @escaping (SchedulerEvent?) -> Void
    ) -> SchedulerStreamID
    func call(_ stream: SchedulerStreamID, _ call: SchedulerCall)
    /// Calls back once, unless this node stops being the master before.
    func decide(_ command: DatacenterCommand, _ done: @escaping (DecisionOutcome) -> Void)
}

/// Drives the scheduler of services on the node that is the master, as a framework without a
/// socket.
///
/// There is one as soon as anything of services is on record, so that a change of leader costs
/// nothing where nobody uses them; it is made anew with each term, from the records alone.
/// Confined to the node's event loop.
package final class ServiceDriver {
    private unowned let host: any ServiceSchedulerHost
    private let settings: ServiceSchedulerSettings
    private var scheduler: ServiceScheduler?
    /// Grows with each end of a scheduler: what is called back from before has nobody to tell.
    private var life = 0
    private var stream: SchedulerStreamID?
    /// Which subscription is the newest: events of earlier ones count no more.
    private var subscription = 0
    private var inputs: Deque<ServiceSchedulerInput> = []
    private var isStepping = false

    package init(
        _ host: any ServiceSchedulerHost,
        settings: ServiceSchedulerSettings = ServiceSchedulerSettings()
    ) {
        self.host = host
        self.settings = settings
    }

    /// Times are in milliseconds: of the node's monotonic clock, and the cluster's.
    package func tick(now: UInt64, clusterTime: UInt64) {
        if scheduler == nil {
            let table = host.table
            guard !table.services.isEmpty else { return }
            scheduler = ServiceScheduler(
                settings: settings, table: table, now: now, clusterTime: clusterTime,
                traits: RecordReading.mesos.agent)
        }
        step(.tick(now: now, clusterTime: clusterTime))
    }

    package func applied(_ changes: [DatacenterChange]) { step(.applied(changes)) }

    /// This node is not the master any more.
    package func resign() {
        scheduler = nil
        life += 1
        stream = nil
        inputs = []
    }

    /// Of services with instances that wait.
    package func explanations() -> [ServiceID: ServiceExplanation] {
        guard let scheduler else { return [:] }
        let table = host.table
        var found: [ServiceID: ServiceExplanation] = [:]
        for id in scheduler.waitingServices { found[id] = scheduler.explain(id, in: table) }
        return found
    }

    // MARK: - Steps

    /// What an effect leads to at once joins the queue, which is empty again at the end.
    private func step(_ input: ServiceSchedulerInput) {
        guard scheduler != nil else { return }
        inputs.append(input)
        guard !isStepping else { return }
        isStepping = true
        defer { isStepping = false }
        while let input = inputs.popFirst() {
            var effects: [ServiceSchedulerEffect] = []
            scheduler?.step(input, in: host.table, into: &effects)
            let life = life
            for effect in effects where self.life == life { perform(effect) }
        }
    }

    private func perform(_ effect: ServiceSchedulerEffect) {
        let life = life
        switch effect {
        case .propose(let id, let command):
            host.decide(command) { [weak self] outcome in
                guard let self, self.life == life else { return }
                step(.decided(id, outcome))
            }
        case .subscribe(let wanted):
            subscription += 1
            let number = subscription
            stream = host.subscribe(wanted) { [weak self] event in
                guard let self, self.life == life, subscription == number else { return }
                step(event.map { .event($0) } ?? .disconnected)
            }
        case .call(let call):
            guard let stream else { return }
            host.call(stream, call)
        }
    }
}
