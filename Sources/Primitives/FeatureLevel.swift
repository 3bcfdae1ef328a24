/// What a build reads, writes and does beyond the first one, as a number: it grows with every kind
/// of entry, field and format that earlier builds do not know. The cluster's level, which is state,
/// says what may be written (docs/decisions/0009-feature-levels-and-the-downgrade-job.md).
package struct FeatureLevel: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt16

    package init(_ rawValue: UInt16) { self.rawValue = rawValue }

    package var description: String { String(rawValue) }

    package static func < (one: FeatureLevel, other: FeatureLevel) -> Bool {
        one.rawValue < other.rawValue
    }

    /// Nothing was said.
    package static let unannounced = FeatureLevel(0)
    package static let first = FeatureLevel(1)
    /// Entries carry the cluster's time: what its leaders have led.
    package static let clusterTime = FeatureLevel(2)
    /// A downgrade job is state.
    package static let downgradeJob = FeatureLevel(2)
    /// A member whose disk is lost gets another id, and one that is dead a successor, in one entry.
    package static let replacement = FeatureLevel(3)
    /// The datacenter's records.
    package static let datacenter = FeatureLevel(3)
    /// The records of services.
    package static let services = FeatureLevel(4)
    /// The past of the records is compacted.
    package static let recordCompaction = FeatureLevel(5)
    /// An executor's record is not removed while tasks of its are on its agent.
    package static let executorsInUse = FeatureLevel(5)
    /// What is decided about a service's instances says for which state of the service it is.
    package static let adjustmentBasis = FeatureLevel(6)
    /// Operators change what an agent's resources are reserved for.
    package static let operatorResources = FeatureLevel(6)
    /// The highest that this code knows.
    package static let newest = FeatureLevel(6)
}
