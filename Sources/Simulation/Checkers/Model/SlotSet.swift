/// A set of small integers that finds the next member fast, however far it is: a bit each, and a
/// bit for each word of those.
struct SlotSet {
    private var words: [UInt64]
    private var summary: [UInt64]

    init(capacity: Int) {
        words = [UInt64](repeating: 0, count: capacity / 64 + 1)
        summary = [UInt64](repeating: 0, count: words.count / 64 + 1)
    }

    mutating func set(_ slot: Int, _ isMember: Bool) {
        let word = slot >> 6
        if isMember {
            words[word] |= 1 << UInt64(slot & 63)
            summary[word >> 6] |= 1 << UInt64(word & 63)
        } else {
            words[word] &= ~(1 << UInt64(slot & 63))
            if words[word] == 0 { summary[word >> 6] &= ~(1 << UInt64(word & 63)) }
        }
    }

    func contains(_ slot: Int) -> Bool { words[slot >> 6] >> UInt64(slot & 63) & 1 == 1 }

    /// The first member at or behind `slot`.
    func next(from slot: Int) -> Int? {
        let word = slot >> 6
        guard word < words.count else { return nil }
        let rest = words[word] >> UInt64(slot & 63)
        if rest != 0 { return slot + rest.trailingZeroBitCount }
        guard let found = SlotSet.nextBit(summary, from: word + 1) else { return nil }
        return found << 6 + words[found].trailingZeroBitCount
    }

    private static func nextBit(_ words: [UInt64], from bit: Int) -> Int? {
        var word = bit >> 6
        guard word < words.count else { return nil }
        var rest = words[word] & ~(1 << UInt64(bit & 63) &- 1)
        while rest == 0 {
            word += 1
            guard word < words.count else { return nil }
            rest = words[word]
        }
        return word << 6 + rest.trailingZeroBitCount
    }
}
