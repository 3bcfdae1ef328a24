package import Primitives

/// The fixed part of a ``Record``. The key's bytes and then the value's follow it in the same
/// allocation.
package struct RecordHeader: Sendable {
    /// Revision at which the key was created; zero for a tombstone.
    package var createRevision: Int64
    /// Main revision of this version.
    package var modRevision: Int64
    /// Counts the key's versions since its creation, from 1; zero for a tombstone.
    package var version: Int64
    /// The lease that the key is attached to, or zero.
    package var lease: Int64
    /// Position among the changes of `modRevision`, from zero.
    package var sub: Int32
    package var keyByteCount: UInt32
    package var valueByteCount: UInt32
    package var isTombstone: Bool
}

/// The one allocation behind a ``Record``.
package final class RecordStorage: ManagedBuffer<RecordHeader, UInt8> {}

/// One version of one key: immutable, in one allocation.
///
/// `@unchecked Sendable`: nothing in the storage changes after `make` returned it, and reference
/// counts are atomic.
package struct Record: @unchecked Sendable {
    @usableFromInline let storage: RecordStorage

    /// What a record weighs beside its key and value: object header, ``RecordHeader``, its place in
    /// the tree and in the revision log. Counted against the quota.
    package static let overheadBytes = 96

    @usableFromInline init(storage: RecordStorage) { self.storage = storage }

    /// Cost: one allocation of 64 bytes and the key's and value's bytes, which are copied.
    package static func make(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, createRevision: Int64,
        modRevision: Int64, sub: Int32, version: Int64, lease: Int64, isTombstone: Bool = false
    ) -> Record {
        let header = RecordHeader(
            createRevision: createRevision, modRevision: modRevision, version: version,
            lease: lease, sub: sub, keyByteCount: UInt32(key.count),
            valueByteCount: UInt32(value.count), isTombstone: isTombstone)
        let buffer = RecordStorage.create(minimumCapacity: key.count + value.count) { _ in header }
        buffer.withUnsafeMutablePointerToElements { bytes in
            let raw = UnsafeMutableRawPointer(bytes)
            if let source = key.baseAddress {
                raw.copyMemory(from: source, byteCount: key.count)
            }
            if let source = value.baseAddress {
                (raw + key.count).copyMemory(from: source, byteCount: value.count)
            }
        }
        return Record(storage: unsafeDowncast(buffer, to: RecordStorage.self))
    }

    /// A deletion of `key`: it carries the key and its revision only (mvccpb.Event, DELETE).
    package static func tombstone(
        key: UnsafeRawBufferPointer, modRevision: Int64, sub: Int32
    ) -> Record {
        make(
            key: key, value: .empty, createRevision: 0, modRevision: modRevision, sub: sub,
            version: 0, lease: 0, isTombstone: true)
    }

    /// A record that only lends its key: a separator of the tree.
    package static func separator(_ key: UnsafeRawBufferPointer) -> Record {
        tombstone(key: key, modRevision: 0, sub: 0)
    }
}

extension Record {
    @inline(__always) package var header: RecordHeader {
        storage.withUnsafeMutablePointerToHeader { $0.pointee }
    }

    package var createRevision: Int64 {
        storage.withUnsafeMutablePointerToHeader { $0.pointee.createRevision }
    }
    package var modRevision: Int64 {
        storage.withUnsafeMutablePointerToHeader { $0.pointee.modRevision }
    }
    package var version: Int64 { storage.withUnsafeMutablePointerToHeader { $0.pointee.version } }
    package var lease: Int64 { storage.withUnsafeMutablePointerToHeader { $0.pointee.lease } }
    package var sub: Int32 { storage.withUnsafeMutablePointerToHeader { $0.pointee.sub } }
    package var isTombstone: Bool {
        storage.withUnsafeMutablePointerToHeader { $0.pointee.isTombstone }
    }
    package var keyByteCount: Int {
        storage.withUnsafeMutablePointerToHeader { Int($0.pointee.keyByteCount) }
    }
    package var valueByteCount: Int {
        storage.withUnsafeMutablePointerToHeader { Int($0.pointee.valueByteCount) }
    }
    package var revision: Revision { Revision(modRevision) }
    /// The version that created its key: an event of it is a creation.
    package var isCreation: Bool { !isTombstone && createRevision == modRevision }

    /// The key's bytes. The view is valid while the caller keeps the record alive.
    @inline(__always) package var keyView: UnsafeRawBufferPointer {
        storage.withUnsafeMutablePointers { header, bytes in
            UnsafeRawBufferPointer(start: bytes, count: Int(header.pointee.keyByteCount))
        }
    }

    /// The value's bytes. The view is valid while the caller keeps the record alive.
    @inline(__always) package var valueView: UnsafeRawBufferPointer {
        storage.withUnsafeMutablePointers { header, bytes in
            UnsafeRawBufferPointer(
                start: bytes + Int(header.pointee.keyByteCount),
                count: Int(header.pointee.valueByteCount))
        }
    }

    package func withKey<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        defer { withExtendedLifetime(storage) {} }
        return try body(keyView)
    }

    package func withValue<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        defer { withExtendedLifetime(storage) {} }
        return try body(valueView)
    }

    package var key: Bytes { withKey { Bytes(Array($0)) } }
    package var value: [UInt8] { withValue { Array($0) } }

    /// What the record counts against the quota, in bytes.
    package var weightBytes: Int { keyByteCount + valueByteCount + Record.overheadBytes }

    package func isSame(as other: Record) -> Bool { storage === other.storage }

    /// Whether `(modRevision, sub)` of `self` comes before that of `other`.
    package func precedes(_ other: Record) -> Bool {
        let mine = header
        let theirs = other.header
        return mine.modRevision != theirs.modRevision
            ? mine.modRevision < theirs.modRevision : mine.sub < theirs.sub
    }
}

extension UnsafeRawBufferPointer {
    package static var empty: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: nil, count: 0)
    }
}
