import Primitives
import RaftCore
import Testing

@Suite("Majorities (Raft §5.3; dissertation §4.3)")
struct QuorumTests {
    /// The slow and obvious way: the best of the least values over all majorities.
    func reachedSlowly(_ values: [UInt64]) -> UInt64 {
        if values.isEmpty { return .max }
        var best: UInt64 = 0
        for subset in 0..<(1 << values.count) where subset.nonzeroBitCount * 2 > values.count {
            var least = UInt64.max
            for (position, value) in values.enumerated() where subset >> position & 1 == 1 {
                least = min(least, value)
            }
            best = max(best, least)
        }
        return best
    }

    @Test("what a majority has reached agrees with trying all majorities")
    func againstAllSubsets() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<3000 {
            let count = Int(random.next(below: 8))
            let values = (0..<count).map { _ in random.next(below: 5) }
            let slots = Array(values.indices)
            #expect(Quorum.reached(slots) { values[$0] } == reachedSlowly(values))
        }
    }

    @Test("a majority holds exactly when more than half do", arguments: 0..<8)
    func majority(count: Int) {
        for subset in 0..<(1 << count) {
            let holds = Quorum.holds(Array(0..<count)) { subset >> $0 & 1 == 1 }
            #expect(holds == (count == 0 || subset.nonzeroBitCount * 2 > count))
        }
    }

    @Test("any two majorities share a voter", arguments: 1..<8)
    func overlap(count: Int) { #expect(2 * Quorum.majority(of: count) > count) }
}
