import Scheduling
import StateMachine
import Testing

@Suite("Allocator: beside a naive one that looks at everything")
struct AllocatorModelTests {
    @Test(
        "marks find what a look at everything finds, and the rules are kept",
        arguments: 0..<UInt64(20))
    func sameOffers(block: UInt64) throws {
        var offersMade = 0
        for seed in (block * 100)..<(block * 100 + 100) {
            var history = AllocatorHistory(seed: seed)
            try history.begin()
            for _ in 0..<14 {
                for _ in 0...history.draw(4) { try history.step() }
                try history.allocateAndCompare()
            }
            offersMade += history.offersMade
        }
        #expect(offersMade > 800, "the histories offer too little to mean anything")
    }
}
