internal import StateMachine

/// Bounds of the allocator. Amounts are in thousandths.
package enum AllocatorLimits {
    /// Offers of one framework that are neither accepted nor declined.
    package static let offersOutstandingMax = 50
    /// An offer has at least this much processor time …
    package static let cpusMin: Int64 = 10
    /// … or this much memory, in thousandths of a megabyte (Mesos: `MIN_CPUS`, `MIN_MEM`).
    package static let memMin: Int64 = 32_000

    /// Sums over this many agents of the largest amounts stay within 64 bits.
    package static let agentsMax = 200_000
    package static let frameworksMax = 20_000
    /// As many as a framework's record may have.
    package static let rolesPerFrameworkMax = DatacenterLimits.rolesMax
    package static let attributesMax = 1_000
    package static let constraintGroupsMax = 64
    package static let constraintsPerGroupMax = 64
    package static let quotasMax = 1_000
    package static let weightsMax = 10_000
    /// What one framework refused of one agent, in one role, at the same time.
    package static let filtersPerClientMax = 8

    /// In thousandths; 1,000 is what a role without a weight has.
    package static let weightDefault: Int64 = 1_000
    package static let weightMax: Int64 = 1_000_000_000

    /// Up to so many frameworks that alone are to be asked are put in order by themselves, without
    /// a walk over all others.
    static let directMax = 4
}
