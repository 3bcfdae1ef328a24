package import Primitives

/// A lease as every node knows it. What is left of it only the leader's clock knows.
package struct Lease: Equatable, Sendable {
    package var id: Int64
    /// Seconds that were granted.
    package var grantedSeconds: Int64
    /// What was left at the last checkpoint, in seconds; zero: it runs its full time.
    package var remainingSeconds: Int64
    /// Index of the entry that granted it. It tells this life of the id from earlier ones.
    package var grantIndex: LogIndex

    package init(
        id: Int64, grantedSeconds: Int64, remainingSeconds: Int64 = 0, grantIndex: LogIndex
    ) {
        self.id = id
        self.grantedSeconds = grantedSeconds
        self.remainingSeconds = remainingSeconds
        self.grantIndex = grantIndex
    }
}

/// All leases and the keys attached to them. Copying the value is taking a snapshot.
///
/// Both are trees of records: a lease's key is its bucket and its id, an attachment's is the
/// lease's id and the key, so that all keys of a lease are one range in key order.
package struct LeaseTable: Sendable {
    /// Leases are checkpointed by buckets, so that a change rewrites a few of them, not all.
    package static let bucketCount = 256
    package static let secondsMax: Int64 = 9_000_000_000

    private var leases = PersistentTree()
    private var attachments = PersistentTree()
    /// Index of the entry that changed each bucket last.
    private(set) var modifiedAt = [UInt64](repeating: 0, count: bucketCount)

    package init() {}

    package var count: Int { leases.count }

    package func lease(_ id: Int64) -> Lease? {
        LeaseTable.withLeaseKey(id) { key in leases.newest(key).map { Lease($0, id: id) } }
    }

    package func contains(_ id: Int64) -> Bool {
        LeaseTable.withLeaseKey(id) { leases.newest($0) != nil }
    }

    package mutating func set(_ lease: Lease, stamp: UInt64) {
        LeaseTable.withLeaseKey(lease.id) { key in
            _ = leases.put(key, keepsHistory: false) { _ in lease.record(key) }
        }
        modifiedAt[LeaseTable.bucket(lease.id)] = stamp
    }

    package mutating func remove(_ id: Int64, stamp: UInt64) {
        LeaseTable.withLeaseKey(id) { key in _ = leases.remove(key) }
        modifiedAt[LeaseTable.bucket(id)] = stamp
    }

    package mutating func attach(_ key: UnsafeRawBufferPointer, to id: Int64) {
        LeaseTable.withAttachmentKey(id, key) { full in
            _ = attachments.put(full, keepsHistory: false) { old in
                old
                    ?? Record.make(
                        key: full, value: .empty, createRevision: 0, modRevision: 0, sub: 0,
                        version: 1, lease: id)
            }
        }
    }

    package mutating func detach(_ key: UnsafeRawBufferPointer, from id: Int64) {
        LeaseTable.withAttachmentKey(id, key) { full in _ = attachments.remove(full) }
    }

    /// The keys attached to a lease, in key order.
    package func keys(of id: Int64) -> [Bytes] {
        var keys: [Bytes] = []
        LeaseTable.withAttachmentKey(id, .empty) { start in
            attachments.forEach(from: start, to: nil) { record, _ in
                guard record.lease == id else { return false }
                keys.append(Bytes(record.withKey { Array($0.dropFirst(8)) }))
                return true
            }
        }
        return keys
    }

    /// How many keys are attached to a lease. O(log n).
    package func keyCount(of id: Int64) -> Int {
        var count = 0
        LeaseTable.withAttachmentKey(id, .empty) { start in
            let (next, overflow) = UInt64(bitPattern: id).addingReportingOverflow(1)
            if overflow {
                count = attachments.countLive(from: start, to: nil)
                return
            }
            LeaseTable.withAttachmentKey(Int64(bitPattern: next), .empty) { end in
                count = attachments.countLive(from: start, to: end)
            }
        }
        return count
    }

    /// All leases by id.
    package var all: [Lease] {
        var found: [Lease] = []
        found.reserveCapacity(leases.count)
        leases.forEach(from: .empty, to: nil) { record, _ in
            found.append(Lease(record, id: record.lease))
            return true
        }
        found.sort { $0.id < $1.id }
        return found
    }

    /// The leases of one bucket, in order of their key.
    package func leases(inBucket bucket: Int) -> [Lease] {
        var found: [Lease] = []
        [UInt8(bucket)].withUnsafeBytes { start in
            leases.forEach(from: start, to: nil) { record, _ in
                guard LeaseTable.bucket(record.lease) == bucket else { return false }
                found.append(Lease(record, id: record.lease))
                return true
            }
        }
        return found
    }

    package func hasLeases(inBucket bucket: Int) -> Bool {
        var found = false
        [UInt8(bucket)].withUnsafeBytes { start in
            leases.forEach(from: start, to: nil) { record, _ in
                found = LeaseTable.bucket(record.lease) == bucket
                return false
            }
        }
        return found
    }

    /// A table of what a checkpoint held. Its buckets changed last at `index`.
    package init(
        _ leases: [Lease], attachments: [(lease: Int64, key: Record)], loadedAt index: UInt64
    ) {
        var sorted = ContiguousArray<(Record, History?)>()
        for lease in leases {
            LeaseTable.withLeaseKey(lease.id) { key in
                sorted.append((lease.record(key), nil))
            }
        }
        sorted.sort { Bytes.compare($0.0.keyView, $1.0.keyView) < 0 }
        self.leases = PersistentTree(sorted: sorted)
        for attachment in attachments {
            attachment.key.withKey { attach($0, to: attachment.lease) }
        }
        modifiedAt = [UInt64](repeating: index, count: LeaseTable.bucketCount)
    }

    package func checkInvariants() {
        leases.checkInvariants()
        attachments.checkInvariants()
        attachments.forEach(from: .empty, to: nil) { record, _ in
            invariant(contains(record.lease), "a key attached to no lease")
            return true
        }
    }

    package var attachmentCount: Int { attachments.count }

    package static func bucket(_ id: Int64) -> Int {
        Int((UInt64(bitPattern: id) &* 0x9E37_79B9_7F4A_7C15) >> 56)
    }

    private static func withLeaseKey<R>(
        _ id: Int64, _ body: (UnsafeRawBufferPointer) -> R
    ) -> R {
        withUnsafeTemporaryAllocation(byteCount: 9, alignment: 8) { raw in
            raw[0] = UInt8(bucket(id))
            raw.storeBytes(
                of: UInt64(bitPattern: id).bigEndian, toByteOffset: 1, as: UInt64.self)
            return body(UnsafeRawBufferPointer(raw))
        }
    }

    private static func withAttachmentKey(
        _ id: Int64, _ key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        withUnsafeTemporaryAllocation(byteCount: 8 + key.count, alignment: 8) { raw in
            raw.storeBytes(of: UInt64(bitPattern: id).bigEndian, as: UInt64.self)
            UnsafeMutableRawBufferPointer(rebasing: raw[8...]).copyMemory(from: key)
            body(UnsafeRawBufferPointer(raw))
        }
    }
}

extension Lease {
    package init(_ record: Record, id: Int64) {
        self.init(
            id: id, grantedSeconds: record.createRevision, remainingSeconds: record.version,
            grantIndex: LogIndex(UInt64(bitPattern: record.modRevision)))
    }

    fileprivate func record(_ key: UnsafeRawBufferPointer) -> Record {
        Record.make(
            key: key, value: .empty, createRevision: grantedSeconds,
            modRevision: Int64(bitPattern: grantIndex.rawValue), sub: 0,
            version: remainingSeconds, lease: id)
    }
}
