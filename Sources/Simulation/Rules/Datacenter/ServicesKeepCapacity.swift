import Primitives
import StateMachine

// T8: a service's capacity stays between its limits, as far as its scheduler has a say.
extension SimulatedDatacenter {
    private static let capacity = "T8 capacity stays within a service's limits"

    /// In view of what it decides by.
    func checkDecision(_ adjustment: ServiceAdjustment, _ decision: ServiceDecision) {
        let stops = Set(adjustment.stops)
        let well = decision.facts.filter(\.isWell)
        let left = well.count { !stops.contains($0.id) }
        if !decision.isEnding, left < well.count, left < decision.minimum {
            world.violated(
                Self.capacity,
                "\(decision.service): \(well.count - left) of \(well.count) that are well are to"
                    + " end, \(decision.minimum) have to stay")
        }
        guard adjustment.starts > 0 else { return }
        let starts = Int(adjustment.starts)
        let there = decision.facts.count {
            !$0.isInactive && !($0.isWaiting && stops.contains($0.id))
        }
        if decision.hasOld {
            world.counters.count(CoverageMark.upgradeJudged)
            if there + starts > decision.maximum {
                world.violated(
                    Self.capacity,
                    "\(decision.service): \(starts) are begun beside \(there), at most"
                        + " \(decision.maximum) may be there")
            }
        }
        let new = decision.facts.count {
            !$0.isOld && !$0.isStopping && !$0.isInactive && !stops.contains($0.id)
        }
        if new + starts > decision.wanted {
            world.violated(
                Self.capacity,
                "\(decision.service): \(starts) are begun beside \(new), \(decision.wanted) are"
                    + " wanted")
        }
    }

    /// When it is committed: what the scheduler decided before without knowing what became of it
    /// counts, what happened by itself does not.
    func checkCapacity(_ adjustment: ServiceAdjustment, _ decision: ServiceDecision) {
        let stops = Set(adjustment.stops)
        let wereWell = decision.facts.filter { $0.isWell && stops.contains($0.id) }
        if !decision.isEnding, !wereWell.isEmpty {
            let since = services.schedulerStops.reversed().prefix { $0.index > decision.index }
            let all = Set(since.map { $0.instance })
            let left = decision.facts.count { $0.isWell && !all.contains($0.id) }
            if left < decision.minimum {
                world.violated(
                    Self.capacity,
                    "\(decision.service): \(left) stay of those that were well,"
                        + " \(decision.minimum) have to: \(all.sorted()) were ended")
            }
        }
        for id in adjustment.forgets where services.instances[id] == nil {
            world.counters.count(CoverageMark.instanceForgotten)
        }
        guard adjustment.starts > 0 else { return }
        let inactive = Set(decision.facts.filter(\.isInactive).map(\.id))
        let there = (services.members[decision.service] ?? []).filter { !inactive.contains($0) }
        if decision.hasOld, there.count > decision.maximum {
            world.violated(
                Self.capacity,
                "\(decision.service) has \(there.count) instances, at most \(decision.maximum)"
                    + " may be there")
        }
        let new = there.filter { id in
            services.instances[id]?.configuration == decision.configuration
                && (services.tasks[id]?.killIndex ?? 0) == 0
        }
        if new.count > decision.wanted {
            world.violated(
                Self.capacity,
                "\(decision.service) has \(new.count) instances, \(decision.wanted) are wanted")
        }
    }
}
