/// How large resources may be. Sums over a whole cluster of `amountMax` each stay within 64 bits.
package enum ResourceLimits {
    /// Of one scalar, in thousandths: ten thousand million units.
    package static let amountMax: Int64 = 10_000_000_000_000
    /// Entries of one value.
    package static let entriesMax = 2_000
    /// Ranges of one entry.
    package static let rangesMax = 10_000
    /// Items of one set.
    package static let itemsMax = 10_000
    /// Bytes of a resource's name.
    package static let nameBytesMax = 128
    /// Bytes of a role's path.
    package static let roleBytesMax = 512
    /// Bytes of a set's item, a principal, a label's key or value, a persistence id, a path.
    package static let textBytesMax = 4_096
    /// Reservations on top of each other.
    package static let reservationsMax = 16
    /// Labels of one reservation.
    package static let labelsMax = 64
    /// Bytes of what a disk carries and nobody here looks into.
    package static let opaqueBytesMax = 4_096
    /// Equal entries that cannot be added up: shares of a volume.
    package static let copiesMax: Int64 = 1_000_000
    /// Bytes of a text to be parsed.
    package static let parsedBytesMax = 1_048_576
}
