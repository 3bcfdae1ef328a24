package import StateMachine

/// Why an instance was not launched with an offer: Marathon's names for it.
package enum OfferRefusal: String, Sendable, CaseIterable {
    case unfulfilledRole = "UnfulfilledRole"
    case unfulfilledConstraint = "UnfulfilledConstraint"
    case insufficientCpus = "InsufficientCpus"
    case insufficientMemory = "InsufficientMemory"
    case insufficientDisk = "InsufficientDisk"
    case insufficientGpus = "InsufficientGpus"
    case insufficientPorts = "InsufficientPorts"
}

/// An offer while instances are found for it.
struct OpenOffer {
    let offer: MasterOffer
    let agent: AllocatorAgent
    var rest: Resources
    private(set) var launches: [TaskLaunch] = []
    private(set) var launchBytes = 0

    init(_ offer: MasterOffer, _ agent: AllocatorAgent) {
        self.offer = offer
        self.agent = agent
        rest = offer.resources
    }

    enum Match {
        case fits(Resources, ports: [UInt16])
        case refused(OfferRefusal)
    }

    /// What an instance would take of what is left.
    func match(
        _ definition: ServiceDefinition, _ rules: PlacementRules, sequence: UInt64
    ) -> Match {
        guard offer.role == definition.role else { return .refused(.unfulfilledRole) }
        guard rules.allow(agent) else { return .refused(.unfulfilledConstraint) }
        var taken: [ResourceEntry] = []
        for (name, amount, refusal) in [
            (ResourceNames.cpus, definition.cpus, OfferRefusal.insufficientCpus),
            (ResourceNames.mem, definition.mem, .insufficientMemory),
            (ResourceNames.disk, definition.disk, .insufficientDisk),
            (ResourceNames.gpus, definition.gpus, .insufficientGpus),
        ] {
            guard let entries = take(amount, of: name, definition) else {
                return .refused(refusal)
            }
            taken += entries
        }
        guard let (ports, entries) = takePorts(definition, sequence: sequence),
            let sum = try? Resources(taken + entries)
        else { return .refused(.insufficientPorts) }
        return .fits(sum, ports: ports)
    }

    mutating func launch(_ task: TaskLaunch) {
        rest = rest.subtractingWhatIsThere(task.resources)
        launches.append(task)
        launchBytes += task.info.count
    }

    private func isAccepted(_ entry: ResourceEntry, _ definition: ServiceDefinition) -> Bool {
        if entry.isIndivisible { return false }
        if definition.acceptedRoles.isEmpty { return true }
        return definition.acceptedRoles.contains(entry.role ?? ResourceNames.anyRole)
    }

    /// What is reserved goes first: nobody else can have it.
    private func take(
        _ amount: Int64, of name: ByteText, _ definition: ServiceDefinition
    ) -> [ResourceEntry]? {
        var left = amount
        var taken: [ResourceEntry] = []
        let entries = rest.entries.filter { $0.name == name && isAccepted($0, definition) }
        for entry in entries.filter(\.isReserved) + entries.filter({ !$0.isReserved }) {
            guard left > 0, case .scalar(let there) = entry.value else { continue }
            var part = entry
            part.value = .scalar(min(left, there))
            taken.append(part)
            left -= min(left, there)
        }
        return left > 0 ? nil : taken
    }

    private func takePorts(
        _ definition: ServiceDefinition, sequence: UInt64
    ) -> ([UInt16], [ResourceEntry])? {
        if definition.ports.isEmpty { return ([], []) }
        let entries = rest.entries.filter {
            $0.name == ResourceNames.ports && isAccepted($0, definition)
        }
        var pool = ResourceRanges.empty
        for entry in entries {
            guard case .ranges(let ranges) = entry.value else { continue }
            pool = (try? pool.union(ranges)) ?? pool
        }
        guard let numbers = ServicePorts.choose(definition, from: pool, sequence: sequence) else {
            return nil
        }
        var taken: [ResourceEntry] = []
        for entry in entries {
            guard case .ranges(let ranges) = entry.value else { continue }
            let own = numbers.filter { number in
                ranges.ranges.contains { $0.contains(UInt64(number)) }
            }
            guard !own.isEmpty,
                let part = try? ResourceRanges(own.map { (UInt64($0), UInt64($0)) })
            else { continue }
            var entry = entry
            entry.value = .ranges(part)
            taken.append(entry)
        }
        return (numbers, taken)
    }
}

/// Which ports an instance has.
package enum ServicePorts {
    private static let highest: UInt64 = 65_535

    /// A port for each of the definition's, in its order; nil where there are too few. Those
    /// without a number begin at another place for each instance, so that a port that somebody
    /// just left is not met by clients that do not know yet.
    static func choose(
        _ definition: ServiceDefinition, from pool: ResourceRanges, sequence: UInt64
    ) -> [UInt16]? {
        let fixed = fixedPorts(definition)
        guard let all = try? ResourceRanges([(1, highest)]),
            let wanted = try? ResourceRanges(fixed.map { (UInt64($0), UInt64($0)) }),
            pool.contains(wanted)
        else { return nil }
        let rest = pool.intersection(all).subtracting(wanted)
        let count = definition.ports.count - fixed.count
        guard rest.count >= UInt64(count) else { return nil }
        var free: [UInt16] = []
        if count > 0 {
            let start = (sequence &* 0x9E37_79B9_7F4A_7C15) >> 32 % rest.count
            free = (0..<UInt64(count)).map { rest.element((start + $0) % rest.count) }.sorted()
        }
        return assign(definition, fixed: fixed, free: free)
    }

    /// What ``choose(_:from:sequence:)`` gave to a task that holds these resources.
    package static func ports(
        _ resources: Resources, of definition: ServiceDefinition
    ) -> [UInt16] {
        guard let held = try? resources.ranges(ResourceNames.ports) else { return [] }
        let fixed = fixedPorts(definition)
        var free: [UInt16] = []
        for range in held.ranges {
            for number in range.prefix(ServiceLimits.listMax) {
                let port = UInt16(clamping: number)
                if !fixed.contains(port), free.count < ServiceLimits.listMax { free.append(port) }
            }
        }
        return assign(definition, fixed: fixed, free: free)
    }

    private static func fixedPorts(_ definition: ServiceDefinition) -> [UInt16] {
        definition.requiresPorts ? definition.ports.map(\.number).filter { $0 != 0 } : []
    }

    private static func assign(
        _ definition: ServiceDefinition, fixed: [UInt16], free: [UInt16]
    ) -> [UInt16] {
        var next = free[...]
        return definition.ports.compactMap { port in
            definition.requiresPorts && port.number != 0 ? port.number : next.popFirst()
        }
    }
}

extension ResourceRanges {
    /// The one at a place, counted from the least. `place` is less than ``count``.
    fileprivate func element(_ place: UInt64) -> UInt16 {
        var left = place
        for range in ranges {
            let count = range.upperBound - range.lowerBound + 1
            if left < count { return UInt16(clamping: range.lowerBound + left) }
            left -= count
        }
        return 0
    }
}
