/// A Raft term: the logical clock of elections (Raft §5.1). Zero is the term before the first.
package struct Term: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static let zero = Term(0)
    @inlinable package static func == (a: Term, b: Term) -> Bool {
        a.rawValue == b.rawValue
    }
    @inlinable package static func < (a: Term, b: Term) -> Bool { a.rawValue < b.rawValue }
    @inlinable package var next: Term { Term(rawValue + 1) }
    package var description: String { "\(rawValue)" }
}

/// A position in the replicated log. The first entry has index 1; zero is the place before it.
package struct LogIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static let zero = LogIndex(0)
    @inlinable package static func == (a: LogIndex, b: LogIndex) -> Bool {
        a.rawValue == b.rawValue
    }
    @inlinable package static func < (a: LogIndex, b: LogIndex) -> Bool {
        a.rawValue < b.rawValue
    }
    @inlinable package var next: LogIndex { LogIndex(rawValue + 1) }
    /// The index before this one; zero stays zero.
    @inlinable package var previous: LogIndex { LogIndex(rawValue == 0 ? 0 : rawValue - 1) }
    @inlinable package static func + (a: LogIndex, count: Int) -> LogIndex {
        LogIndex(a.rawValue + UInt64(count))
    }
    /// How many entries lie in `other ..< self`; negative when `other` is the later one.
    @inlinable package func distance(from other: LogIndex) -> Int {
        Int(bitPattern: UInt(truncatingIfNeeded: rawValue &- other.rawValue))
    }
    package var description: String { "\(rawValue)" }
}

/// A member of the cluster. Never zero for a real member, never used twice (DESIGN §9).
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static let none = NodeID(0)
    @inlinable package static func == (a: NodeID, b: NodeID) -> Bool {
        a.rawValue == b.rawValue
    }
    @inlinable package static func < (a: NodeID, b: NodeID) -> Bool { a.rawValue < b.rawValue }
    /// Hexadecimal without leading zeros, as etcd prints member ids.
    package var description: String { String(rawValue, radix: 16) }
}

/// The cluster's identity. Peers of another cluster are refused by it.
package struct ClusterID: Hashable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package var description: String { String(rawValue, radix: 16) }
}

/// Counts a node's starts on one disk: each start draws one more than the last, durable before its
/// first message. The upper half names the disk.
package struct BootNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static let zero = BootNumber(0)
    @inlinable package static func == (a: BootNumber, b: BootNumber) -> Bool {
        a.rawValue == b.rawValue
    }
    @inlinable package static func < (a: BootNumber, b: BootNumber) -> Bool {
        a.rawValue < b.rawValue
    }
    @inlinable package var next: BootNumber { BootNumber(rawValue + 1) }
    /// Before the first start on a disk that was given this number when it was initialised.
    package init(disk: UInt32) { rawValue = UInt64(disk) << 32 }
    /// Which disk it was drawn on: another one after the directory was emptied.
    package var disk: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
    package var description: String {
        let count = rawValue & 0xFFFF_FFFF
        return disk == 0 ? "\(count)" : "\(count) on disk \(String(disk, radix: 16))"
    }
}

/// The store's logical clock (etcd's revision). A fresh store is at 1, its first write makes 2.
/// Signed because etcd's API has it as int64; a valid one is never negative.
package struct Revision: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: Int64
    @inlinable package init(_ rawValue: Int64) { self.rawValue = rawValue }
    package static let zero = Revision(0)
    @inlinable package static func == (a: Revision, b: Revision) -> Bool {
        a.rawValue == b.rawValue
    }
    @inlinable package static func < (a: Revision, b: Revision) -> Bool {
        a.rawValue < b.rawValue
    }
    @inlinable package var next: Revision { Revision(rawValue + 1) }
    package var description: String { "\(rawValue)" }
}
