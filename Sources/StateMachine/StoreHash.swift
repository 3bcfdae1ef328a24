internal import Primitives

/// A hash of all that a client can observe, and nothing else: equal for stores that differ only in
/// how far they have purged. For tests and comparisons; O(n) and more.
extension Store {
    /// From the versions by key.
    package func fullHash() -> UInt64 {
        freeze().hash { space, fold in
            let keys = space == .client ? client : datacenter
            keys.tree.forEach(from: .empty, to: nil) { newest, history in
                var versions: [Record] = []
                history?.forEach { versions.append($0) }
                versions.append(newest)
                fold(versions)
                return true
            }
        }
    }
}

extension FrozenStore {
    /// From the versions by revision, which is what rows hold.
    package func fullHash() -> UInt64 {
        hash { space, fold in
            let log = space == .client ? client.log : datacenter.log
            var records: [Record] = []
            for chunk in log.chunks { records.append(contentsOf: chunk.records) }
            records.sort { a, b in
                let order = Bytes.compare(a.keyView, b.keyView)
                return order == 0 ? a.precedes(b) : order < 0
            }
            var start = 0
            while start < records.count {
                var end = start + 1
                while end < records.count,
                    Bytes.compare(records[start].keyView, records[end].keyView) == 0
                { end += 1 }
                fold(Array(records[start..<end]))
                start = end
            }
        }
    }

    /// `forEachKey` hands over the retained versions of each key, oldest first, in key order.
    func hash(_ forEachKey: (SpaceID, ([Record]) -> Void) -> Void) -> UInt64 {
        var hash = Digest()
        for (space, id) in [(client, SpaceID.client), (datacenter, .datacenter)] {
            hash.fold(.floor, UInt64(bitPattern: space.floor))
            forEachKey(id) { versions in
                for (index, version) in versions.enumerated() {
                    let next = index + 1 < versions.count ? versions[index + 1] : nil
                    if !KeySpace.isGarbage(version, next: next, floor: space.floor) {
                        hash.fold(version, id)
                    }
                }
            }
        }
        for lease in leases.all {
            hash.fold(.leaseSet, UInt64(bitPattern: lease.id))
            hash.fold(.leaseSet, UInt64(bitPattern: lease.grantedSeconds))
            hash.fold(.leaseSet, UInt64(bitPattern: lease.remainingSeconds))
            for key in leases.keys(of: lease.id) { hash.fold(.leaseSet, key.storage) }
        }
        hash.fold(.auth, auth.encode())
        hash.fold(.member, encodeMembers())
        hash.fold(.member, UInt64(bitPattern: revision.rawValue))
        return hash.value
    }
}
