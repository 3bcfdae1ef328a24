package import Primitives

/// Why resources are not valid, or an operation on them is not possible. Nothing was changed.
package enum ResourcesError: Error, Equatable, Sendable {
    case invalidName(ByteText)
    case invalidRole(ByteText)
    /// NaN or infinite.
    case notFinite
    case negative
    /// More than ``ResourceLimits/amountMax``, by itself or as a sum.
    case amountTooLarge
    /// A range that ends before it begins.
    case backwardRange(begin: UInt64, end: UInt64)
    case duplicateItem(ByteText)
    case tooManyEntries(limit: Int)
    case tooManyRanges(limit: Int)
    case tooManyItems(limit: Int)
    case tooManyReservations(limit: Int)
    case tooManyLabels(limit: Int)
    case tooManyCopies(limit: Int64)
    case textTooLong(limit: Int)
    /// A refinement is for a role under the one that it refines.
    case notARefinement(ByteText, of: ByteText)
    /// Only the lowest of several reservations may be static.
    case staticRefinement(ByteText)
    /// Only `disk` carries disk information, and only as a scalar.
    case diskInformationOnOther(ByteText)
    /// Only volumes are shared.
    case sharedWithoutVolume(ByteText)
    /// Only what cannot be added up has copies.
    case copiesOfDivisible(ByteText)
    case emptyPersistenceID

    // Offer operations
    case notReserved(ByteText)
    case notDynamicallyReserved(ByteText)
    case notAVolume(ByteText)
    /// A volume is destroyed before its reservation changes.
    case isAVolume(ByteText)
    case volumeNotReserved(ByteText)
    case duplicateVolume(ByteText)
    case volumeInUse(ByteText)
    /// What the operation takes is not there.
    case notContained(ByteText)

    // Bytes
    case undecodable(DecodingError)
    case unknownVersion(UInt8)
    /// Bytes that are not what the encoder writes: an order, a zero, something behind the end.
    case notCanonical
}
