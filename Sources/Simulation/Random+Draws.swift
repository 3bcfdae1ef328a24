import Primitives

extension SplitMix64 {
    /// A number in `range`, all equally likely.
    mutating func draw(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next(below: UInt64(range.upperBound - range.lowerBound) + 1))
    }

    /// True `part` times in `whole`.
    mutating func chance(_ part: Int, in whole: Int) -> Bool {
        Int(next(below: UInt64(whole))) < part
    }

    mutating func pick<T>(_ choices: [T]) -> T {
        choices[Int(next(below: UInt64(choices.count)))]
    }

    /// Mostly small, sometimes up to `limit` times as much: how times are spread in the world.
    mutating func spread(_ base: Int, upTo limit: Int) -> Int {
        var value = base
        while value < base * limit, chance(1, in: 4) { value *= 2 }
        return value / 2 + draw(0...max(1, value))
    }

    /// A generator of its own, so that what one part draws does not move another's draws.
    mutating func fork() -> SplitMix64 { SplitMix64(seed: next()) }
}
