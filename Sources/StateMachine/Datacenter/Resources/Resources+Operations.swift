/// What offer operations make of an agent's resources. Each is all or nothing, and keeps the sum of
/// every scalar (Mesos, docs/reservation.md and docs/persistent-volume.md).
extension Resources {
    /// RESERVE: `wanted` carries the reservation to be made on top of its stack; what lies under it
    /// must be here.
    /// - Throws: `notReserved`, `notDynamicallyReserved`, `isAVolume`, `notContained`, limits.
    package func reserving(_ wanted: Resources) throws(ResourcesError) -> Resources {
        try exchange(try wanted.unpiled(), for: wanted)
    }

    /// UNRESERVE: takes the topmost reservation off what is named.
    /// - Throws: as ``reserving(_:)``.
    package func unreserving(_ named: Resources) throws(ResourcesError) -> Resources {
        try exchange(named, for: try named.unpiled())
    }

    /// CREATE: makes persistent volumes of reserved disk.
    /// - Throws: `notAVolume`, `duplicateVolume`, `notContained`, limits.
    package func creating(_ volumes: Resources) throws(ResourcesError) -> Resources {
        for volume in volumes.entries where !volume.isPersistentVolume {
            throw .notAVolume(volume.name)
        }
        for volume in volumes.entries where volume.copies > 1 {
            throw .duplicateVolume(volume.disk?.persistence?.id ?? "")
        }
        var ids = persistenceIDs + volumes.persistenceIDs
        ids.sort { ($0.role, $0.id) < ($1.role, $1.id) }
        for (one, next) in zip(ids, ids.dropFirst()) where one == next {
            throw .duplicateVolume(one.id)
        }
        return try exchange(try volumes.withoutPersistence(), for: volumes)
    }

    /// DESTROY: makes plain reserved disk of persistent volumes. A shared one must be there once
    /// only: the other copies are somebody's.
    /// - Throws: `notAVolume`, `volumeInUse`, `notContained`, limits.
    package func destroying(_ volumes: Resources) throws(ResourcesError) -> Resources {
        for volume in volumes.entries {
            guard let persistence = volume.disk?.persistence else { throw .notAVolume(volume.name) }
            let own = entries.first { ResourceEntry.compare($0, volume) == 0 }
            if let own, own.copies > volume.copies { throw .volumeInUse(persistence.id) }
            guard volume.copies == 1 else { throw .volumeInUse(persistence.id) }
        }
        return try exchange(volumes, for: try volumes.withoutPersistence())
    }

    /// - Throws: `duplicateVolume` where a volume of that name is among `others`, which somebody
    ///   holds.
    func checkVolumes(besides others: Resources) throws(ResourcesError) {
        let held = others.persistenceIDs
        for one in persistenceIDs where held.contains(where: { $0 == one }) {
            throw .duplicateVolume(one.id)
        }
    }

    private var persistenceIDs: [(role: ByteText, id: ByteText)] {
        var ids: [(role: ByteText, id: ByteText)] = []
        for entry in entries {
            guard let id = entry.disk?.persistence?.id, let role = entry.role else { continue }
            ids.append((role, id))
        }
        return ids
    }

    private func exchange(
        _ taken: Resources, for given: Resources
    ) throws(ResourcesError) -> Resources {
        guard let rest = subtracting(taken) else {
            throw .notContained(taken.entries.first { !contains(only: $0) }?.name ?? "")
        }
        let result = try rest.adding(given)
        // What is taken out of the middle of a range leaves two.
        for entry in result.entries {
            guard case .ranges(let ranges) = entry.value else { continue }
            guard ranges.ranges.count <= ResourceLimits.rangesMax else {
                throw .tooManyRanges(limit: ResourceLimits.rangesMax)
            }
        }
        return result
    }

    private func contains(only entry: ResourceEntry) -> Bool {
        contains(Resources(normalised: [entry]))
    }

    /// Without the topmost reservation of each entry.
    private func unpiled() throws(ResourcesError) -> Resources {
        var lower = entries
        for index in lower.indices {
            guard let top = lower[index].reservations.popLast() else {
                throw .notReserved(lower[index].name)
            }
            guard top.kind == .dynamic else { throw .notDynamicallyReserved(lower[index].name) }
            if let id = lower[index].disk?.persistence?.id { throw .isAVolume(id) }
        }
        return try Resources(lower)
    }

    private func withoutPersistence() throws(ResourcesError) -> Resources {
        var plain = entries
        for index in plain.indices {
            // A disk of its own stays one: what is opaque tells it.
            plain[index].disk = DiskInformation(opaque: plain[index].disk?.opaque ?? [])
            plain[index].isShared = false
        }
        return try Resources(plain)
    }
}
