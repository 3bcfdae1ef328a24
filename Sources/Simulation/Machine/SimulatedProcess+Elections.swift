import Replication
import StateMachine

/// `Observe`, as the etcd services handle it.
extension SimulatedProcess {
    /// - Parameter begin: told whether it is served, once what holds is known to be current.
    func observe(_ observer: SimulatedObserver, _ begin: @escaping (_ isServed: Bool) -> Void) {
        let floor = world.rules.acknowledgedFloor
        let sequence = replica.nextSequence()
        ownReads[sequence] = { [unowned self] failure in
            guard failure == nil else { return begin(false) }
            world.rules.beginsToObserve(floor, at: self)
            observers.append(observer)
            begin(true)
        }
        replica.read(sequence: sequence, into: &effects)
        if !effects.isEmpty { perform() }
        flushSoon()
    }

    func tellObservers(_ batch: [Applied]) {
        guard !observers.isEmpty else { return }
        let events = batch.flatMap(\.events)
        if events.isEmpty { return }
        for observer in observers { observer.applied(events, at: self) }
    }
}
