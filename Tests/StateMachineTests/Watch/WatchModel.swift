import Primitives
import StateMachine

/// A store's history in one array: what the hub reads, and what the tests believe.
struct HistoryLog: WatchHistory {
    var records: [Record] = []
    var compactedRevision = Revision.zero

    func compactedRevision(of space: SpaceID) -> Revision { compactedRevision }

    func forEachRecord(
        of space: SpaceID, from: Revision, through: Revision, _ visit: (Record) -> Bool
    ) {
        invariant(from >= compactedRevision, "\(from) is compacted through \(compactedRevision)")
        for record in records
        where record.revision >= from && record.revision <= through
            && record.withKey({ SpaceID.of($0) }) == space
        {
            if !visit(record) { return }
        }
    }

    func previousVersion(of record: Record) -> Record? {
        guard record.modRevision - 1 >= compactedRevision.rawValue else { return nil }
        return stateBefore(record)
    }

    /// The key's live version before `record`, compacted or not.
    func stateBefore(_ record: Record) -> Record? {
        let older = records.last { $0.key == record.key && $0.modRevision < record.modRevision }
        return older?.isTombstone == true ? nil : older
    }

    func isLive(_ key: Bytes) -> Bool {
        records.last { $0.key == key }.map { !$0.isTombstone } ?? false
    }
}

/// An event in a form that can be compared.
struct SeenEvent: Equatable, CustomStringConvertible {
    var revision: Int64
    var sub: Int32
    var key: Bytes
    var isDelete: Bool

    init(_ record: Record) {
        revision = record.modRevision
        sub = record.sub
        key = record.key
        isDelete = record.isTombstone
    }

    var description: String { "\(revision).\(sub) \(isDelete ? "del" : "put") \(key)" }
}

/// One client's view: what it asked for and what it was told.
struct ModelWatcher {
    var id: WatcherID
    var spec: WatchSpec
    /// The revision of the first event that it may see.
    var first: Int64
    /// As it was asked for, 0 for "after now".
    var start: Int64
    var seen: [SeenEvent] = []
    var isHeld = false
    var overtakenAt: Int64?

    func expected(in log: HistoryLog, through revision: Int64) -> [SeenEvent] {
        log.records.filter {
            $0.modRevision >= first && $0.modRevision <= revision
                && contains($0.key) && (spec.withoutPuts ? $0.isTombstone : true)
                && (spec.withoutDeletes ? !$0.isTombstone : true)
        }.map { SeenEvent($0) }
    }

    /// A range ends where the space ends that it begins in.
    private func contains(_ key: Bytes) -> Bool {
        let start =
            switch spec.range {
            case .key(let start), .range(let start, _), .from(let start): start.storage
            }
        let records = Array("/keelson/".utf8)
        guard start.starts(with: records) == key.storage.starts(with: records) else { return false }
        return lies(key)
    }

    private func lies(_ key: Bytes) -> Bool {
        switch spec.range {
        case .key(let only): key.storage == only.storage
        case .range(let from, let to):
            !key.storage.lexicographicallyPrecedes(from.storage)
                && key.storage.lexicographicallyPrecedes(to.storage)
        case .from(let from): !key.storage.lexicographicallyPrecedes(from.storage)
        }
    }
}

extension Record {
    static func put(_ key: [UInt8], revision: Int64, sub: Int32 = 0, create: Int64? = nil) -> Record
    {
        key.withUnsafeBytes { raw in
            make(
                key: raw, value: raw, createRevision: create ?? revision, modRevision: revision,
                sub: sub, version: 1, lease: 0)
        }
    }

    static func delete(_ key: [UInt8], revision: Int64, sub: Int32 = 0) -> Record {
        key.withUnsafeBytes { tombstone(key: $0, modRevision: revision, sub: sub) }
    }
}
