package import Primitives

/// The replicated state: a revisioned key-value store with etcd's semantics, leases, alarms and the
/// members' records. Entries go in through ``apply(_:evaluate:)``; nothing else changes it, except
/// that
/// ``purge(budget:)`` frees what a compaction made unreachable.
///
/// `@unchecked Sendable`: it is confined to its node's event loop. What other threads need
/// leaves it as a ``FrozenStore`` or a ``RangeScan``.
package final class Store: @unchecked Sendable {
    @exclusivity(unchecked) var client: KeySpace
    @exclusivity(unchecked) var datacenter: KeySpace
    /// What ``datacenter`` says, decoded.
    @exclusivity(unchecked) package internal(set) var datacenterTable = DatacenterTable()
    @exclusivity(unchecked) var mainRevision: Int64
    @exclusivity(unchecked) package internal(set) var leases: LeaseTable
    @exclusivity(unchecked) package internal(set) var alarms: AlarmTable
    @exclusivity(unchecked) package internal(set) var members: MemberTable
    @exclusivity(unchecked) package internal(set) var auth: AuthTable
    /// What ``auth`` allows, for the users that were asked about.
    @exclusivity(unchecked) var permissions: [Bytes: UserPermissions] = [:]
    @exclusivity(unchecked) package internal(set) var appliedIndex: LogIndex
    @exclusivity(unchecked) package internal(set) var appliedTerm: Term
    /// The leader's clock as of the last entry, in milliseconds; it never goes back.
    @exclusivity(unchecked) package internal(set) var clock: UInt64
    /// How long the cluster has had leaders, in milliseconds, by their monotonic clocks, as of the
    /// last entry that says so: what deadlines are counted in that outlive a leader. It never goes
    /// back, and stands still while nobody leads.
    @exclusivity(unchecked) package internal(set) var clusterTime: UInt64
    /// The version that a downgrade was announced to, as `major.minor.patch`.
    @exclusivity(unchecked) package internal(set) var downgradeTarget: String?
    @exclusivity(unchecked) package internal(set) var digest: Digest
    /// What the node knows that this store is in. An entry beyond it is not applied: the node
    /// stops.
    package let known: FeatureLevel

    /// An empty store, at revision 1.
    package init(known: FeatureLevel = .newest) {
        self.known = known
        client = KeySpace()
        datacenter = KeySpace()
        mainRevision = 1
        leases = LeaseTable()
        alarms = AlarmTable()
        members = MemberTable()
        auth = AuthTable()
        appliedIndex = .zero
        appliedTerm = .zero
        clock = 0
        clusterTime = 0
        digest = Digest()
    }

    static let permissionsKnownMax = 10_000

    package var revision: Revision { Revision(mainRevision) }

    /// The highest compacted revision, zero before the first compaction. It can still be read, and
    /// watched from; revisions below cannot.
    package var compactedRevision: Revision { compactedRevision(of: .client) }

    /// Live keys of both spaces.
    package var keyCount: Int { client.tree.liveCount + datacenter.tree.liveCount }

    /// Records held: every retained version of every key, deletions included.
    package var recordCount: Int { client.log.recordCount + datacenter.log.recordCount }

    /// What the quota counts: keys, values and overhead of all records held. It depends on how far
    /// this node has purged, so it never decides anything in apply.
    package var bytesInUse: Int { client.weightBytes + datacenter.weightBytes }

    /// Of them, what the datacenter's records take, with what is kept of their past.
    package var recordBytesInUse: Int { datacenter.weightBytes }

    /// Of them, about, what is not the newest version of its key: what a compaction can free.
    package var recordPastBytes: Int {
        let count = datacenter.log.recordCount
        guard count > 0 else { return 0 }
        let past = max(0, count - datacenter.tree.liveCount)
        let (high, low) = UInt(datacenter.weightBytes).multipliedFullWidth(by: UInt(past))
        return Int(UInt(count).dividingFullWidth((high, low)).quotient)
    }

    /// A revision in the middle of what is recorded of the datacenter behind its compaction; nil
    /// where that is no more than a thousand changes, about. O(log n).
    package var recordMiddle: Revision? { datacenter.log.middle(behind: datacenter.floor) }

    /// Frees up to `budget` records that the last compaction made unreachable. Returns whether
    /// there is more to free. Cost: about a microsecond a record.
    package func purge(budget: Int) -> Bool {
        let stamp = appliedIndex.next.rawValue
        let bounded = max(1, budget)
        if client.isPurgePending {
            _ = client.purge(budget: bounded, stamp: stamp)
        } else {
            _ = datacenter.purge(budget: bounded, stamp: stamp)
        }
        return isPurgePending
    }

    package var isPurgePending: Bool { client.isPurgePending || datacenter.isPurgePending }

    /// The changes from `revision` on, in order: at least those of one revision, whole revisions
    /// only, and no more than about `max` records. `revision` must not lie below
    /// ``compactedRevision``.
    package func events(
        from revision: Revision, max: Int, in space: SpaceID = .client
    ) -> [Record] {
        var found: [Record] = []
        keySpace(space).log.forEach(from: revision.rawValue) { record in
            if found.count >= max, let last = found.last, last.modRevision != record.modRevision {
                return false
            }
            found.append(record)
            return true
        }
        return found
    }

    package func compactedRevision(of space: SpaceID) -> Revision {
        Revision(max(0, keySpace(space).floor))
    }

    /// Visits what changed of a space in `from ... through`, by revision and then by order inside
    /// it, until `visit` says false. Cost: logarithmic to find the start, then constant a record.
    package func forEachRecord(
        of space: SpaceID, from: Revision, through: Revision, _ visit: (Record) -> Bool
    ) {
        keySpace(space).log.forEach(from: from.rawValue) { record in
            record.modRevision <= through.rawValue && visit(record)
        }
    }

    package func previousVersion(of record: Record) -> Record? { previous(of: record) }

    /// The live version of the record's key just before it (`prev_kv`), or nil where there was none
    /// or it has been compacted.
    package func previous(of record: Record) -> Record? {
        record.withKey { keySpace(.of($0)).previous(of: record) }
    }

    /// The live version of a key at a revision; nil revision for the newest. No checks.
    package func get(_ key: UnsafeRawBufferPointer, at revision: Revision? = nil) -> Record? {
        keySpace(.of(key)).get(key, at: revision?.rawValue ?? .max)
    }

    func keySpace(_ space: SpaceID) -> KeySpace {
        switch space {
        case .client: client
        case .datacenter: datacenter
        }
    }

    /// Checks the whole state; O(n), for tests and the simulator.
    package func checkInvariants() {
        for space in [client, datacenter] {
            space.tree.checkInvariants()
            space.log.checkInvariants()
            invariant(space.floor <= mainRevision, "a floor beyond the revision")
            var versions = 0
            var weight = 0
            space.tree.forEach(from: .empty, to: nil) { newest, history in
                versions += 1 + (history?.count ?? 0)
                weight += newest.weightBytes
                history?.forEach { weight += $0.weightBytes }
                return true
            }
            invariant(
                versions == space.log.recordCount,
                "the tree holds \(versions) versions, the log \(space.log.recordCount)")
            invariant(weight == space.weightBytes, "the weight is off")
        }
        leases.checkInvariants()
        var attached = 0
        client.tree.forEach(from: .empty, to: nil) { newest, _ in
            if newest.lease != 0 { attached += 1 }
            return true
        }
        invariant(attached == leases.attachmentCount, "keys and attachments disagree")
    }
}
