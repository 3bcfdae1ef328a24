internal import Primitives
internal import StateMachine

/// The dominant share of dominant-resource fairness: the largest share of any one resource
/// (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, §4), divided by the weight (§4.3), as
/// an integer, so that every machine puts the same order on the same amounts.
enum FairShare {
    /// Shares are counted in parts of 2^40; what is above 2^10 wholes counts as that.
    private static let whole: UInt64 = 1 << 40
    private static let wholesMax: Int64 = 1 << 10

    /// - Parameter weight: in thousandths, at least 1.
    static func share(of held: ScalarQuantities, in total: ScalarQuantities, weight: Int64)
        -> UInt64
    {
        var dominant: UInt64 = 0
        for element in held.elements where element.amount > 0 {
            let all = total[element.name]
            guard all > 0 else { continue }
            dominant = max(dominant, ratio(element.amount, all))
        }
        #if KEELSON_MUTANTS
            if planted(.ignoresWeights) { return dominant }
        #endif
        return dominant * UInt64(AllocatorLimits.weightDefault) / UInt64(max(1, weight))
    }

    private static func ratio(_ part: Int64, _ all: Int64) -> UInt64 {
        guard part / wholesMax < all else { return whole * UInt64(wholesMax) }
        let product = UInt64(part).multipliedFullWidth(by: whole)
        return UInt64(all).dividingFullWidth(product).quotient
    }
}
