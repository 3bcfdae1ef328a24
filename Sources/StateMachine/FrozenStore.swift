package import Primitives

/// One key space as of one entry: what rows are made of. It leaves the tree out, so that the tree's
/// nodes and histories stay unshared and are changed in place while a checkpoint is written.
struct FrozenSpace: Sendable {
    let log: RevisionLog
    let floor: Int64

    init(_ space: KeySpace) {
        log = space.log
        floor = space.floor
    }
}

/// The state as of one entry, for a checkpoint or a snapshot on another thread. It shares what it
/// can with the store and never changes.
package struct FrozenStore: Sendable {
    let client: FrozenSpace
    let datacenter: FrozenSpace
    let leases: LeaseTable
    package let alarms: AlarmTable
    package let members: MemberTable
    package let auth: AuthTable
    package let appliedIndex: LogIndex
    package let appliedTerm: Term
    package let revision: Revision
    package let clock: UInt64
    package let clusterTime: UInt64
    package let downgradeTarget: String?
    package let digest: Digest

    /// How many parts the clients' revision history is in.
    package var clientChunkCount: Int { client.log.chunks.count }

    /// One part of it, in order of revision.
    package func clientRecords(inChunk chunk: Int) -> ContiguousArray<Record> {
        client.log.chunks[chunk].records
    }

    package var allLeases: [Lease] { leases.all }

    /// Zero before the first compaction.
    package var compactedRevision: Int64 { max(0, client.floor) }

    /// All rows, sorted by table and key.
    package func rows() -> StoreRows { rows(modifiedAfter: nil) }

    /// What changed since the checkpoint at `base`, which must have been written from this store or
    /// be the one that it was loaded from. Where that is not known any more, or for nil, it is
    /// everything.
    package func changes(since base: LogIndex?) -> RowChanges {
        let known = max(client.log.changesKnownSince, datacenter.log.changesKnownSince)
        guard let base, base.rawValue >= known else {
            return RowChanges(replacesAll: true, upserts: rows(), deletes: [])
        }
        var deletes: [(table: UInt8, key: [UInt8])] = []
        for bucket in 0..<LeaseTable.bucketCount
        where leases.modifiedAt[bucket] > base.rawValue && !leases.hasLeases(inBucket: bucket) {
            deletes.append((StoreTable.leases.rawValue, [UInt8(bucket)]))
        }
        for (space, id) in [(client, SpaceID.client), (datacenter, .datacenter)] {
            for chunk in space.log.vanished where chunk.at > base.rawValue {
                deletes.append((StoreTable.of(id).rawValue, chunk.id.rowKey))
            }
        }
        return RowChanges(
            replacesAll: false, upserts: rows(modifiedAfter: base.rawValue), deletes: deletes)
    }

    private func rows(modifiedAfter base: UInt64?) -> StoreRows {
        var sources: [StoreRows.Source] = [.state, .members]
        for bucket in 0..<LeaseTable.bucketCount {
            if let base, leases.modifiedAt[bucket] <= base { continue }
            if leases.hasLeases(inBucket: bucket) { sources.append(.leases(bucket: bucket)) }
        }
        for (space, id) in [(client, SpaceID.client), (datacenter, .datacenter)] {
            for chunk in space.log.chunks {
                if let base, chunk.modifiedAt <= base { continue }
                sources.append(.chunk(id, chunk))
            }
        }
        if auth.modifiedAt > base ?? 0 { sources.append(.auth) }
        return StoreRows(frozen: self, sources: sources)
    }

    func row(_ source: StoreRows.Source) -> StoreRow {
        switch source {
        case .state:
            return StoreRow(table: StoreTable.state.rawValue, key: [], value: encodeState())
        case .members:
            return StoreRow(table: StoreTable.members.rawValue, key: [], value: encodeMembers())
        case .leases(let bucket):
            return StoreRow(
                table: StoreTable.leases.rawValue, key: [UInt8(bucket)],
                value: encodeLeases(bucket))
        case .auth:
            return StoreRow(table: StoreTable.auth.rawValue, key: [], value: auth.encode())
        case .chunk(let space, let chunk):
            return StoreRow(
                table: StoreTable.of(space).rawValue, key: chunk.id.rowKey,
                value: RecordCoding.encode(chunk))
        }
    }

    private func encodeState() -> [UInt8] {
        var writer = ByteWriter(capacity: 80)
        let level = members.clusterLevel
        writer.write(RowFormat.version(at: level))
        writer.write(Digest.version)
        writer.write(revision.rawValue)
        writer.write(client.floor)
        writer.write(datacenter.floor)
        writer.write(appliedIndex.rawValue)
        writer.write(appliedTerm.rawValue)
        writer.write(clock)
        writer.write(digest.value)
        if level >= .clusterTime {
            writer.write(clusterTime)
            writer.writeLengthPrefixed(downgradeTarget ?? "")
        }
        return writer.bytes
    }

    func encodeMembers() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.write(members.clusterLevel.rawValue)
        writer.write(UInt32(members.records.count))
        for record in members.records { record.encode(into: &writer) }
        writer.write(UInt32(members.removed.count))
        for member in members.removed { writer.write(member.rawValue) }
        writer.write(UInt32(alarms.raised.count))
        for alarm in alarms.raised {
            writer.write(alarm.member.rawValue)
            writer.write(alarm.kind.rawValue)
        }
        return writer.bytes
    }

    private func encodeLeases(_ bucket: Int) -> [UInt8] {
        let found = leases.leases(inBucket: bucket)
        var writer = ByteWriter(capacity: 4 + found.count * 32)
        writer.write(UInt32(found.count))
        for lease in found {
            writer.write(lease.id)
            writer.write(lease.grantedSeconds)
            writer.write(lease.remainingSeconds)
            writer.write(lease.grantIndex.rawValue)
        }
        return writer.bytes
    }
}

extension Store {
    /// The state as it is now. Cost: constant; what changes later is copied first, piece by piece.
    package func freeze() -> FrozenStore {
        FrozenStore(
            client: FrozenSpace(client), datacenter: FrozenSpace(datacenter), leases: leases,
            alarms: alarms, members: members, auth: auth, appliedIndex: appliedIndex,
            appliedTerm: appliedTerm,
            revision: revision, clock: clock, clusterTime: clusterTime,
            downgradeTarget: downgradeTarget, digest: digest)
    }

    /// Says that no checkpoint will build on one at or before `index` any more, so that which rows
    /// vanished until then need not be known.
    package func forgetChanges(through index: LogIndex) {
        client.forgetVanished(through: index.rawValue)
        datacenter.forgetVanished(through: index.rawValue)
    }
}
