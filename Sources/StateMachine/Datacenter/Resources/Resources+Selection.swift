/// Parts of resources. All of them are O(n) and stay sorted: what is left out changes no order.
extension Resources {
    package func filter(_ isWanted: (ResourceEntry) -> Bool) -> Resources {
        guard let first = entries.firstIndex(where: { !isWanted($0) }) else { return self }
        var kept = Array(entries[..<first])
        for entry in entries[(first + 1)...] where isWanted(entry) { kept.append(entry) }
        return Resources(normalised: kept)
    }

    package var unreserved: Resources { filter { !$0.isReserved } }
    package var reserved: Resources { filter { $0.isReserved } }

    /// What is kept for exactly that role.
    package func reserved(to role: ByteText) -> Resources { filter { $0.role == role } }

    /// What frameworks in that role may be given: the unreserved, and what is reserved to the role
    /// or to one above it.
    package func allocatable(to role: ByteText) -> Resources {
        filter { $0.isAllocatable(to: role) }
    }

    package var shared: Resources { filter { $0.isShared } }
    package var nonShared: Resources { filter { !$0.isShared } }
    package var persistentVolumes: Resources { filter { $0.isPersistentVolume } }
    /// Without what is reserved more than once.
    package var withoutRefined: Resources { filter { $0.reservations.count < 2 } }

    /// The same amounts without any reservation.
    /// - Throws: `amountTooLarge`, where several reservations of a scalar add up to too much.
    package var flattened: Resources {
        get throws(ResourcesError) {
            var plain = entries
            for index in plain.indices { plain[index].reservations = [] }
            return try Resources(plain)
        }
    }

    /// Lets pass at most what `allowed` says of each unreserved scalar, in thousandths; nil for no
    /// bound. What cannot be divided and does not fit is left out.
    package func boundingUnreservedScalars(_ allowed: (ByteText) -> Int64?) -> Resources {
        var kept: [ResourceEntry] = []
        kept.reserveCapacity(entries.count)
        // Entries of one name stand together.
        var name: ByteText?
        var room: Int64?
        for entry in entries {
            guard !entry.isReserved, case .scalar(let amount) = entry.value else {
                kept.append(entry)
                continue
            }
            if name != entry.name {
                name = entry.name
                room = allowed(entry.name).map { max(0, $0) }
            }
            guard let left = room else {
                kept.append(entry)
                continue
            }
            if entry.amount <= left {
                kept.append(entry)
                room = left - entry.amount
            } else if !entry.isIndivisible, left > 0 {
                var part = entry
                part.value = .scalar(min(amount, left))
                kept.append(part)
                room = 0
            }
        }
        return Resources(normalised: kept)
    }
}
