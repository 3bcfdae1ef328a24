import Primitives
import Simulation
import Testing

@Suite("Strict serializability: histories that one store could have made (K2, K5, K6, K7)")
struct LinearizableHistoryTests {
    @Test("a correct history is accepted, whatever overlapped", arguments: 1...40 as ClosedRange)
    func correct(seed: UInt64) {
        let history = Workload(seed: seed).run()
        let verdict = LinearizabilityChecker.check(history)
        #expect(verdict.isLinearizable, "\(verdict)")
    }

    @Test(
        "it is accepted where the store's own revisions are known",
        arguments: 41...60 as ClosedRange)
    func correctWithWrites(seed: UInt64) {
        let history = Workload(seed: seed, unknownPercent: 20, tellsWrites: true).run()
        let verdict = LinearizabilityChecker.check(history)
        #expect(verdict.isLinearizable, "\(verdict)")
    }

    @Test("a tenth of the calls unanswered is no obstacle", arguments: 61...80 as ClosedRange)
    func manyUnknown(seed: UInt64) {
        let history = Workload(seed: seed, operations: 1000, unknownPercent: 10).run()
        let verdict = LinearizabilityChecker.check(history)
        #expect(verdict.isLinearizable, "\(verdict)")
    }

    @Test("the order that is found makes the store's revisions", arguments: 81...90 as ClosedRange)
    func order(seed: UInt64) throws {
        let workload = Workload(seed: seed, tellsWrites: true)
        let history = workload.run()
        guard case .linearizable(let order) = LinearizabilityChecker.check(history) else {
            Issue.record("a correct history was refused")
            return
        }
        let replayed = ReplayedRun(history, order: order).writes.revisions
        let stored = history.writes?.revisions.map { change in
            RecordedRevision(
                change.revision,
                change.events.map { RecordedEvent($0.kind, $0.pair) })
        }
        #expect(replayed == stored)
    }
}
