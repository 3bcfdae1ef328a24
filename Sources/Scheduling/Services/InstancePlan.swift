internal import Primitives
package import StateMachine

/// What is to be done for one service, from its records alone: what it is to be, and what there is.
/// A leader that begins here decides as the one before it would have.
package struct InstancePlan: Equatable, Sendable {
    package var adjustment: ServiceAdjustment
    /// All is as it is to be, and nothing is on its way.
    package private(set) var isConverged = false
    /// The cluster's time at which it is to be looked at again though nothing happens.
    package private(set) var wakeAt: UInt64?
    /// Instances that wait for an offer, oldest first.
    package private(set) var waiting: [InstanceID] = []

    private var views: [InstanceView]
    private let wanted: Int
    private let configuration: UInt64
    private let definition: ServiceDefinition?
    private var stops: [InstanceID] = []
    private var forgets: [InstanceID] = []
    private var starts = 0

    package init(
        _ service: ServiceTable.Service, in table: DatacenterTable, clusterTime: UInt64
    ) {
        let record = service.record
        let active = service.active
        definition = active?.definition
        configuration = active?.configuration ?? 0
        wanted = record.isEnding ? 0 : Int(active?.definition.instances ?? 0)
        adjustment = ServiceAdjustment(
            service: record.id, configuration: configuration, begun: record.begun)
        adjustment.basis = ServiceAdjustment.Basis(record)
        views = service.instances.compactMap { id in
            guard let instance = table.services.instances[id],
                let version = service.version(instance.version)
            else { return nil }
            return InstanceView(
                instance, of: version.definition, in: table, clusterTime: clusterTime)
        }
        wakeAt = views.compactMap(\.changesAt).min()
        forget(isEnding: record.isEnding)
        isConverged = isAsWanted(record)
        if record.isEnding {
            for view in views where !view.isStopping { stops.append(view.record.id) }
        } else if definition != nil {
            decide()
        }
        let stopped = Set(stops)
        waiting = views.filter { $0.isWaiting && !stopped.contains($0.record.id) }
            .map(\.record.id)
        fill()
    }

    private func isOld(_ view: InstanceView) -> Bool {
        view.record.configuration != configuration
    }

    /// What is out of reach for too long counts no more; of what is to end anyway, nobody waits for
    /// the end longer than for its replacement.
    private mutating func forget(isEnding: Bool) {
        let lost = views.filter { view in
            guard view.isUnreachable else { return false }
            return view.isLost || isEnding || (view.isInactive && (isOld(view) || view.isStopping))
        }
        forgets = lost.map(\.record.id)
        let gone = Set(forgets)
        views.removeAll { gone.contains($0.record.id) }
    }

    private func isAsWanted(_ record: ServiceRecord) -> Bool {
        if record.isEnding { return views.isEmpty && forgets.isEmpty }
        let there = views.filter { !$0.isInactive }
        return forgets.isEmpty && there.count == wanted
            && there.allSatisfy { $0.isHealthy && !isOld($0) } && !views.contains(where: isOld)
    }

    // MARK: - Decisions

    private mutating func decide() {
        let live = views.filter { !$0.isStopping && !$0.isInactive }
        let old = live.filter(isOld)
        let new = live.filter { !isOld($0) }
        stopSurplus(new)
        let left = min(new.count, wanted)
        // Those that were asked to end hold their resources until they have.
        if views.contains(where: { isOld($0) && !$0.isInactive }) {
            replace(old, among: live, newCount: left)
        } else {
            starts = wanted - left
        }
    }

    /// Those go first that do nothing yet, or nothing well.
    private mutating func stopSurplus(_ new: [InstanceView]) {
        guard new.count > wanted else { return }
        #if KEELSON_MUTANTS
            if planted(.keepsSurplus) { return }
        #endif
        let isYoungestFirst = definition?.killSelection != .oldestFirst
        let order = new.sorted { one, other in
            if one.uselessness != other.uselessness {
                return one.uselessness > other.uselessness
            }
            return (one.record.sequence > other.record.sequence) == isYoungestFirst
        }
        stops += order.prefix(new.count - wanted).map(\.record.id)
    }

    /// A rolling upgrade: no fewer than the minimum stay healthy while there are healthy ones, and
    /// no more than the maximum hold resources.
    private mutating func replace(
        _ old: [InstanceView], among live: [InstanceView], newCount: Int
    ) {
        guard let definition else { return }
        let stopped = Set(stops)
        var healthy = live.count { $0.isHealthy && !stopped.contains($0.record.id) }
        let order = old.sorted { one, other in
            if one.uselessness != other.uselessness {
                return one.uselessness > other.uselessness
            }
            return one.record.sequence < other.record.sequence
        }
        for view in order {
            if view.isHealthy {
                #if KEELSON_MUTANTS
                    if planted(.endsOneTooMany), healthy == definition.minimumHealthy {
                        stops.append(view.record.id)
                    }
                #endif
                guard healthy - 1 >= definition.minimumHealthy else { break }
                healthy -= 1
            }
            stops.append(view.record.id)
        }
        // What waits holds nothing when it is stopped; what runs does until it has ended.
        let gone = Set(stops)
        let total = views.count {
            !$0.isInactive && !($0.isWaiting && gone.contains($0.record.id))
        }
        starts = max(0, min(wanted - newCount, definition.maximumTotal - total))
        #if KEELSON_MUTANTS
            if planted(.beginsBeyondMaximum) { starts = max(0, wanted - newCount) }
        #endif
    }

    private mutating func fill() {
        adjustment.forgets = Array(forgets.prefix(ServiceLimits.batchMax))
        var room = ServiceLimits.batchMax - adjustment.forgets.count
        adjustment.stops = Array(stops.prefix(room))
        room -= adjustment.stops.count
        adjustment.starts = UInt32(min(room, starts))
    }
}

extension InstanceView {
    /// How little is lost with it.
    fileprivate var uselessness: Int {
        switch state {
        case .waiting: 4
        case .unreachable: 3
        case .starting: 2
        case .running(isHealthy: false): 1
        case .running(isHealthy: true): 0
        }
    }
}
