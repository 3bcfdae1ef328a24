/// The services as they are to be, over those that are: what a change is judged by before it is
/// made, and what its order comes from.
struct ServiceOverlay {
    let table: ServiceTable
    private(set) var puts: [ServiceID: ServiceDefinition] = [:]
    private(set) var putIDs: [ServiceID] = []
    private var removed: Set<ServiceID> = []
    private var groups: [ServiceID: [ServiceID]] = [:]

    /// Bounds what one change may cost.
    static let edgesMax = 500_000

    init(_ table: ServiceTable) { self.table = table }

    mutating func put(_ definition: ServiceDefinition) {
        puts[definition.id] = definition
        putIDs.insertSorted(definition.id)
    }

    mutating func remove(_ id: ServiceID) { removed.insert(id) }

    mutating func setGroup(_ id: ServiceID, dependencies: [ServiceID]) {
        groups[id] = dependencies
    }

    private func exists(_ id: ServiceID) -> Bool {
        if removed.contains(id) { return false }
        return puts[id] != nil || table.services[id] != nil
    }

    /// A service that lies above or below `id`; nil where there is none.
    func conflict(with id: ServiceID) -> ServiceID? {
        var above = id.parent
        while let path = above, path != .root {
            if exists(path) { return path }
            above = path.parent
        }
        return services(below: id).first
    }

    func services(below path: ServiceID) -> [ServiceID] {
        let known = table.services(below: path).filter { !removed.contains($0) }
        let new = putIDs.below(path).filter { table.services[$0] == nil }
        return new.isEmpty ? Array(known) : (known + new).sorted()
    }

    private func definition(_ id: ServiceID) -> ServiceDefinition? {
        puts[id] ?? table.services[id]?.latest?.definition
    }

    /// What has to be there before the service: services, in no order of meaning.
    private func dependencies(of id: ServiceID) -> [ServiceID] {
        var names = definition(id)?.dependencies ?? []
        var above = id.parent
        while let path = above, path != .root {
            names += groups[path] ?? table.groups[path]?.dependencies ?? []
            above = path.parent
        }
        var found: [ServiceID] = []
        for name in names {
            // A group that says to depend on what is in it says nothing.
            if name == id || name.isAncestor(of: id) { continue }
            if exists(name) { found.append(name) }
            found += services(below: name)
        }
        return found
    }

    /// A walk from a service to what it depends on.
    private struct Visit {
        var id: ServiceID
        var dependencies: [ServiceID]
        var next = 0
        var layer = 0
    }

    /// In which step each of `affected` is changed: behind those of them that it depends on, over
    /// whatever others.
    /// - Throws: ``ServiceError/cyclicDependencies(_:)``.
    func layers(_ affected: [ServiceID]) throws(ServiceError) -> [ServiceID: Int] {
        let counted = Set(affected)
        var layers: [ServiceID: Int] = [:]
        var open: Set<ServiceID> = []
        var edges = 0
        for first in affected where layers[first] == nil {
            var walk = [Visit(id: first, dependencies: dependencies(of: first))]
            open.insert(first)
            while var visit = walk.popLast() {
                if visit.next == visit.dependencies.count {
                    layers[visit.id] = visit.layer
                    open.remove(visit.id)
                    continue
                }
                let next = visit.dependencies[visit.next]
                guard let layer = layers[next] else {
                    guard open.insert(next).inserted else { throw .cyclicDependencies(next) }
                    let further = Visit(id: next, dependencies: dependencies(of: next))
                    edges += further.dependencies.count + 1
                    guard edges <= Self.edgesMax else {
                        throw .tooMany(what: "dependencies", max: Self.edgesMax)
                    }
                    walk += [visit, further]
                    continue
                }
                visit.layer = max(visit.layer, layer + (counted.contains(next) ? 1 : 0))
                visit.next += 1
                walk.append(visit)
            }
        }
        return layers
    }
}
