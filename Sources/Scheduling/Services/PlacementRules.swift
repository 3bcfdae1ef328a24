internal import StateMachine

/// A service's constraints, with where its instances are.
struct PlacementRules {
    fileprivate struct Rule {
        var constraint: ServiceDefinition.Constraint
        var pattern: TextPattern?
        /// Of the instances, by the value that their machine has; sorted by value.
        var counts: [(value: ByteText, count: Int)] = []
    }

    private var rules: [Rule]

    init(_ constraints: [ServiceDefinition.Constraint]) {
        rules = constraints.map { constraint in
            var rule = Rule(constraint: constraint)
            switch constraint.test {
            case .like, .unlike: rule.pattern = constraint.value.flatMap { TextPattern($0) }
            case .unique, .cluster, .groupBy, .maxPer, .equal: break
            }
            return rule
        }
    }

    /// An instance is, or will be, on that machine.
    mutating func add(_ agent: AllocatorAgent) {
        for place in rules.indices {
            guard let value = agent.text(of: rules[place].constraint.field) else { continue }
            rules[place].add(value)
        }
    }

    /// Whether one more may be there.
    func allow(_ agent: AllocatorAgent) -> Bool {
        rules.allSatisfy { $0.allows(agent.text(of: $0.constraint.field)) }
    }

    /// Whether one that is refused now may be allowed when there are more.
    var mayChange: Bool { rules.contains { $0.constraint.test == .groupBy } }
}

extension PlacementRules.Rule {
    fileprivate mutating func add(_ value: ByteText) {
        let place = counts.firstIndex { $0.value >= value } ?? counts.endIndex
        if place < counts.endIndex, counts[place].value == value {
            counts[place].count += 1
        } else {
            counts.insert((value, 1), at: place)
        }
    }

    private func count(_ value: ByteText) -> Int {
        counts.first { $0.value == value }?.count ?? 0
    }

    private var number: Int { constraint.value.flatMap { Int($0.text) } ?? 1 }

    /// - Parameter value: nil where the machine has no such attribute, which only ``unlike`` minds
    ///   not.
    fileprivate func allows(_ value: ByteText?) -> Bool {
        guard let value else { return constraint.test == .unlike }
        switch constraint.test {
        case .unique: return count(value) == 0
        case .cluster:
            if let wanted = constraint.value, !wanted.isEmpty { return value == wanted }
            return counts.isEmpty || count(value) > 0
        case .groupBy:
            // Values that nobody has seen yet come first, as long as there are to be more.
            let least = counts.count < number ? 0 : counts.map(\.count).min() ?? 0
            return count(value) <= least
        case .like: return pattern?.matches(value) ?? false
        case .unlike: return !(pattern?.matches(value) ?? true)
        case .maxPer: return count(value) < number
        case .equal: return value == constraint.value
        }
    }
}

extension AllocatorAgent {
    /// What constraints compare: the machine's name, where it stands, or an attribute, as text.
    fileprivate func text(of field: ByteText) -> ByteText? {
        switch field {
        case "hostname", "@hostname": return hostname
        case "@region": return region
        case "@zone": return zone
        default: break
        }
        guard let attribute = attributes.first(where: { $0.name == field }) else { return nil }
        switch attribute.value {
        case .text(let text): return text
        case .scalar(let amount): return ByteText(Thousandths.text(amount))
        case .ranges(let ranges):
            let parts = ranges.ranges.map { "\($0.lowerBound)-\($0.upperBound)" }
            return ByteText("[" + parts.joined(separator: ",") + "]")
        case .items(let items):
            return ByteText("{" + items.map(\.text).joined(separator: ",") + "}")
        }
    }
}
