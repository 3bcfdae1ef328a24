package import Primitives

/// When a follower may be sent another snapshot: one that failed is likely to fail again, and costs
/// this node and the network a whole state each time.
package struct SnapshotRetry: Sendable {
    private struct Failures: Sendable {
        var count: Int
        var notBefore: UInt64
    }

    private var failures: [NodeID: Failures] = [:]

    /// The pause after the first failure, in ticks; it doubles with each that follows.
    package static let pauseTicksMin: UInt64 = 20
    package static let pauseTicksMax: UInt64 = 3000

    package init() {}

    package func mayStart(_ peer: NodeID, at now: UInt64) -> Bool {
        failures[peer].map { $0.notBefore <= now } ?? true
    }

    package mutating func failed(_ peer: NodeID, at now: UInt64) {
        let count = (failures[peer]?.count ?? 0) + 1
        let pause = min(Self.pauseTicksMax, Self.pauseTicksMin << UInt64(min(count - 1, 16)))
        failures[peer] = Failures(count: count, notBefore: now + pause)
    }

    /// It succeeded, or the peer's process is a new one: what failed may not fail any more.
    package mutating func forget(_ peer: NodeID) { failures[peer] = nil }
}
