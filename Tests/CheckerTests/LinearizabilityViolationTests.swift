import Primitives
import Simulation
import Testing

@Suite("Strict serializability: planted mistakes (K2, K4, K5, K6, K7)")
struct LinearizabilityViolationTests {
    private let one = Script.pair("a", "1", create: 2, mod: 2, version: 1)
    private let two = Script.pair("a", "2", create: 2, mod: 3, version: 2)

    @Test("a read that overlaps a write may see either state, one after it only the new one")
    func staleRead() {
        for (start, accepted) in [(25, true), (35, false)] as [(Int64, Bool)] {
            var script = Script()
            script.put(0...10, "a", "1", revision: 2)
            script.put(20...30, "a", "2", revision: 3)
            script.get(start...40, "a", one, revision: 2)
            #expect(script.isAccepted == accepted)
            #expect(script.isRefused == !accepted)
        }
    }

    @Test("an old value under a new revision is refused")
    func oldValue() {
        var script = Script()
        script.put(0...10, "a", "1", revision: 2)
        script.put(20...30, "a", "2", revision: 3)
        script.get(25...40, "a", one, revision: 3)
        #expect(script.isRefused)
    }

    @Test("an acknowledged write that a later read does not see is refused")
    func lostWrite() {
        var script = Script()
        script.put(0...10, "a", "1", revision: 2)
        script.get(20...30, "a", nil, revision: 2)
        #expect(script.isRefused)
        var gone = Script()
        gone.put(0...10, "a", "1", revision: 2)
        gone.put(20...30, "b", "1", revision: 2)
        #expect(gone.isRefused)
    }

    @Test("a write that was done twice is refused, be it acknowledged or not")
    func twice() {
        let again = Script.pair("a", "1", create: 2, mod: 3, version: 2)
        for revision in [2, nil] as [Int64?] {
            var script = Script()
            script.put(0...10, "a", "1", revision: revision)
            script.get(20...30, "a", one, revision: 2)
            #expect(script.isAccepted)
            script.get(40...50, "a", again, revision: 3)
            #expect(script.isRefused)
        }
    }

    @Test("an unanswered write may happen late or never, not before it was asked for")
    func unanswered() {
        var script = Script()
        script.put(20...30, "a", "1", revision: nil)
        script.get(40...50, "a", nil, revision: 1)
        #expect(script.isAccepted)
        script.get(60...70, "a", one, revision: 2)
        #expect(script.isAccepted)
        script.get(0...10, "a", one, revision: 2)
        #expect(script.isRefused)
    }

    @Test("an unanswered write that was seen does not go away")
    func unansweredGone() {
        var script = Script()
        script.put(0...10, "a", "1", revision: nil)
        script.get(20...30, "a", one, revision: 2)
        script.get(40...50, "a", nil, revision: 2)
        #expect(script.isRefused)
    }

    @Test("a write that was refused for good has no effect")
    func refusedWrite() {
        var script = Script()
        script.add(
            0...10, .put(RecordedPut(Bytes("a"), Bytes("1"))), .failed("etcdserver: no leader"))
        #expect(script.isAccepted)
        script.get(20...30, "a", one, revision: 2)
        #expect(script.isRefused)
    }

    @Test("a transaction of which only half was done is refused")
    func halfTxn() {
        let txn = RecordedRequest.txn(
            RecordedTxn(success: [
                .put(RecordedPut(Bytes("a"), Bytes("1"))),
                .put(RecordedPut(Bytes("b"), Bytes("1"))),
            ]))
        let answer = RecordedAnswer.txn(
            succeeded: true, answers: [.put(previous: nil), .put(previous: nil)])
        var script = Script()
        script.call(0...10, txn, answer, revision: 2)
        script.get(20...30, "a", one, revision: 2)
        #expect(script.isAccepted)
        script.get(20...30, "b", nil, revision: 2)
        #expect(script.isRefused)
        var unanswered = Script()
        unanswered.add(0...10, txn, .unknown(nil))
        unanswered.get(20...30, "a", one, revision: 2)
        unanswered.get(40...50, "b", nil, revision: 2)
        #expect(unanswered.isRefused)
    }

    @Test("a transaction that took the wrong branch is refused")
    func wrongBranch() {
        let txn = RecordedRequest.txn(
            RecordedTxn(
                compares: [RecordedCompare(Script.key("a"), .equal, .mod(0))],
                success: [.put(RecordedPut(Bytes("a"), Bytes("2")))]))
        var script = Script()
        script.put(0...10, "a", "1", revision: 2)
        script.call(
            20...30, txn, .txn(succeeded: true, answers: [.put(previous: nil)]), revision: 3)
        #expect(script.isRefused)
    }

    @Test("a read at a revision shows that revision's state and no other")
    func historicRead() {
        for (found, accepted) in [(one, true), (two, false)] {
            var script = Script()
            script.put(0...10, "a", "1", revision: 2)
            script.put(20...30, "a", "2", revision: 3)
            script.get(40...50, "a", found, revision: 3, at: 2)
            #expect(script.isAccepted == accepted)
        }
    }

    @Test("what is below the compacted revision is refused, and only after the compaction")
    func compaction() {
        let compacted = RecordedOutcome.failed(
            "etcdserver: mvcc: required revision has been compacted")
        var script = Script()
        script.put(0...10, "a", "1", revision: 2)
        script.put(20...30, "a", "2", revision: 3)
        let read = RecordedRequest.range(RecordedRange(Script.key("a"), revision: 2))
        var early = script
        early.add(40...50, read, compacted)
        #expect(early.isRefused)
        for outcome in [.ok(revision: 3, .compact), .unknown(nil)] as [RecordedOutcome] {
            var late = script
            late.add(40...60, .compact(revision: 3), outcome)
            late.get(41...55, "a", one, revision: 3, at: 2)
            late.add(50...60, read, compacted)
            #expect(late.isAccepted)
            late.get(70...80, "a", one, revision: 3, at: 2)
            #expect(late.isRefused)
        }
    }

    @Test("a serializable read may be old, but neither invented nor from the future")
    func serializable() {
        var script = Script()
        script.put(0...10, "a", "1", revision: 2)
        script.put(20...30, "a", "2", revision: 3)
        script.get(40...50, "a", one, revision: 2, isSerializable: true)
        #expect(script.isAccepted)
        var invented = script
        invented.get(40...50, "a", two, revision: 2, isSerializable: true)
        #expect(invented.isRefused)
        script.get(12...15, "a", two, revision: 3, isSerializable: true)
        #expect(script.isRefused)
    }

    @Test("two writes that were answered one revision are refused")
    func oneRevisionTwice() {
        var script = Script()
        script.put(0...10, "a", "1", revision: 2)
        script.put(0...10, "b", "1", revision: 2)
        #expect(script.isRefused)
    }

    @Test("a write whose revision lies before an earlier one's is refused")
    func fallingRevision() {
        var script = Script()
        script.put(0...10, "a", "1", revision: 3)
        script.put(20...30, "b", "1", revision: 2)
        #expect(script.isRefused)
    }

    @Test("one altered answer among hundreds is found", arguments: 1...25 as ClosedRange)
    func altered(seed: UInt64) {
        var history = Workload(seed: seed, operations: 300).run()
        let targets = history.operations.indices.filter { place in
            guard case .ok(_, .range(let pairs, _, _)) = history.operations[place].outcome,
                case .range(let range) = history.operations[place].request
            else { return false }
            return !pairs.isEmpty && !range.keysOnly
        }
        let target = targets[Int(seed) * 7 % targets.count]
        guard
            case .ok(let revision, .range(var pairs, let count, let more)) =
                history
                .operations[target].outcome
        else { return }
        switch seed % 3 {
        case 0: pairs[0].value = Bytes("never written")
        case 1: pairs[0].version += 1
        default: pairs[0].modRevision -= 1
        }
        history.operations[target].outcome = .ok(
            revision: revision, .range(pairs: pairs, count: count, more: more))
        guard case .violation(let found) = LinearizabilityChecker.check(history) else {
            Issue.record("an altered answer was accepted")
            return
        }
        #expect(found.earliestFailure ?? 0 <= history.operations[target].end ?? .max)
    }

    @Test("the explanation names the operation and the shortest prefix that fails")
    func explanation() throws {
        var script = Script()
        script.put(0...10, "a", "1", revision: 2)
        script.put(20...30, "a", "2", revision: 3)
        script.get(40...50, "a", one, revision: 2)
        script.get(60...70, "a", two, revision: 3)
        guard case .violation(let violation) = script.verdict else {
            Issue.record("a stale read was accepted")
            return
        }
        #expect(violation.operations.first == 2)
        #expect(violation.earliestFailure == 50_000_000)
    }

    @Test("a search that reaches its limit says so, and does not count as correct")
    func limit() {
        let history = Workload(seed: 3, operations: 300).run()
        let verdict = LinearizabilityChecker.check(
            history, LinearizabilityOptions(stepsMax: 10))
        #expect(!verdict.isLinearizable)
        guard case .unknown = verdict else {
            Issue.record("\(verdict)")
            return
        }
    }
}
