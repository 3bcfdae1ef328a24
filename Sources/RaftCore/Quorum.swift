/// Majorities over small groups of voters.
package enum Quorum {
    /// The size of a majority of `count` voters.
    package static func majority(of count: Int) -> Int { count / 2 + 1 }

    /// The greatest value that a majority of the slots has reached; `UInt64.max` for no slots, so
    /// that an absent half of a joint configuration never holds the other back.
    ///
    /// Cost: O(n²) reads and no allocation, the cheapest way for the handful of voters there are.
    package static func reached(_ slots: [Int], _ value: (Int) -> UInt64) -> UInt64 {
        if slots.isEmpty { return .max }
        let needed = majority(of: slots.count)
        var best: UInt64 = 0
        for slot in slots {
            let candidate = value(slot)
            if candidate <= best { continue }
            var count = 0
            for other in slots where value(other) >= candidate { count += 1 }
            if count >= needed { best = candidate }
        }
        return best
    }

    /// Whether a majority of the members satisfies the condition; true for no members.
    package static func holds<Member>(_ members: [Member], _ condition: (Member) -> Bool) -> Bool {
        if members.isEmpty { return true }
        var count = 0
        for member in members where condition(member) { count += 1 }
        return count >= majority(of: members.count)
    }
}
