/// Scalars are whole thousandths, as in Mesos (docs/attributes-resources.md: three decimal digits),
/// but in integers: what is applied on every node never sees floating point.
package enum Thousandths {
    /// The one place where a number of the wire becomes an amount: rounded to the nearest
    /// thousandth, halves away from zero.
    /// - Throws: `notFinite`, `negative`, `amountTooLarge`.
    package static func amount(_ units: Double) throws(ResourcesError) -> Int64 {
        guard units.isFinite else { throw .notFinite }
        guard units >= 0 else { throw .negative }
        let rounded = (units * 1_000).rounded(.toNearestOrAwayFromZero)
        guard rounded <= Double(ResourceLimits.amountMax) else { throw .amountTooLarge }
        return Int64(rounded)
    }

    /// Units with at most three decimal digits, and no more than needed: `2`, `0.1`, `1.005`.
    package static func text(_ amount: Int64) -> String {
        let magnitude = amount.magnitude
        let sign = amount < 0 ? "-" : ""
        let fraction = magnitude % 1_000
        guard fraction != 0 else { return sign + String(magnitude / 1_000) }
        var digits = String(fraction + 1_000).dropFirst()
        while digits.last == "0" { digits = digits.dropLast() }
        return sign + String(magnitude / 1_000) + "." + digits
    }

    /// What ``text(_:)`` writes; further digits are rounded, halves up. No sign, no exponent.
    /// - Returns: nil for anything else, or for more than ``ResourceLimits/amountMax``.
    package static func parse(_ digits: Substring.UTF8View) -> Int64? {
        var amount: Int64 = 0
        var decimals = 0
        var digitCount = 0
        var isPastPoint = false
        for byte in digits {
            if byte == UInt8(ascii: "."), !isPastPoint, digitCount > 0 {
                isPastPoint = true
                continue
            }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let digit = Int64(byte - UInt8(ascii: "0"))
            digitCount += 1
            if !isPastPoint || decimals < 3 {
                amount = amount * 10 + digit
                if isPastPoint { decimals += 1 }
            } else if decimals == 3 {
                if digit >= 5 { amount += 1 }
                decimals = 4
            }
            guard amount <= ResourceLimits.amountMax else { return nil }
        }
        guard digitCount > 0, digits.last != UInt8(ascii: ".") else { return nil }
        for _ in min(decimals, 3)..<3 { amount *= 10 }
        return amount <= ResourceLimits.amountMax ? amount : nil
    }
}
