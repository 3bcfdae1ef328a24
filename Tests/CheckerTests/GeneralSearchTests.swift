import Primitives
import Simulation
import Testing

@Suite("Strict serializability: histories without revisions")
struct GeneralSearchTests {
    /// Takes away everything that tells the order.
    private func withoutRevisions(_ history: RecordedHistory) -> RecordedHistory {
        var history = history
        for place in history.operations.indices {
            guard case .ok(_, let answer) = history.operations[place].outcome else { continue }
            history.operations[place].outcome = .ok(revision: nil, bare(answer))
        }
        return history
    }

    private func bare(_ pair: RecordedPair) -> RecordedPair {
        RecordedPair(key: pair.key, value: pair.value)
    }

    private func bare(_ answer: RecordedAnswer) -> RecordedAnswer {
        switch answer {
        case .put(let previous): .put(previous: previous.map { bare($0) })
        case .range(let pairs, let count, let more):
            .range(pairs: pairs.map { bare($0) }, count: count, more: more)
        case .deleteRange(let deleted, let previous):
            .deleteRange(deleted: deleted, previous: previous.map { bare($0) })
        case .txn(let succeeded, let answers):
            .txn(succeeded: succeeded, answers: answers.map { bare($0) })
        default: answer
        }
    }

    private func singleKeys(seed: UInt64) -> RecordedHistory {
        var workload = Workload(seed: seed, operations: 2000, clients: 8, unknownPercent: 2)
        workload.hasLeases = false
        workload.hasCompactions = false
        workload.hasTransactions = false
        workload.wholeRangePercent = 0
        return withoutRevisions(workload.run())
    }

    @Test("single keys are told apart and accepted", arguments: 1...10 as ClosedRange)
    func singleKeys(_ seed: UInt64) {
        let verdict = LinearizabilityChecker.check(singleKeys(seed: seed))
        #expect(verdict.isLinearizable, "\(verdict)")
    }

    @Test("a value that was never written is found", arguments: 1...10 as ClosedRange)
    func altered(seed: UInt64) {
        var history = singleKeys(seed: seed)
        let target = history.operations.lastIndex { operation in
            guard case .range(let pairs, _, _) = operation.answer,
                case .range(let range) = operation.request
            else { return false }
            return !pairs.isEmpty && !range.keysOnly
        }
        guard let target,
            case .range(var pairs, let count, let more) =
                history
                .operations[target].answer
        else { return }
        pairs[0].value = Bytes("never written")
        history.operations[target].outcome = .ok(
            revision: nil, .range(pairs: pairs, count: count, more: more))
        guard case .violation = LinearizabilityChecker.check(history) else {
            Issue.record("a value from nowhere was accepted")
            return
        }
    }

    @Test(
        "transactions over several keys are searched as a whole", arguments: 1...10 as ClosedRange)
    func transactions(seed: UInt64) {
        var workload = Workload(seed: seed, operations: 200, clients: 4, unknownPercent: 2)
        workload.hasLeases = false
        workload.hasCompactions = false
        let verdict = LinearizabilityChecker.check(withoutRevisions(workload.run()))
        #expect(verdict.isLinearizable, "\(verdict)")
    }

    @Test("a stale read of a register is refused")
    func stale() {
        func history(read value: String) -> RecordedHistory {
            var script = Script()
            script.put(0...10, "a", "1", revision: 2)
            script.put(20...30, "a", "2", revision: 3)
            script.get(
                40...50, "a", Script.pair("a", value, create: 0, mod: 0, version: 0), revision: 3)
            return withoutRevisions(script.history)
        }
        #expect(LinearizabilityChecker.check(history(read: "2")).isLinearizable)
        guard case .violation = LinearizabilityChecker.check(history(read: "1")) else {
            Issue.record("a stale read was accepted")
            return
        }
    }
}
