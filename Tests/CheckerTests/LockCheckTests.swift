import Primitives
import Simulation
import Testing

/// Two clients with leases 1 and 2 in the queue of "m": the keys m/1 and m/2 are created in
/// revisions 2 and 3, m/1 goes in 5 and m/2 in 7; revisions 4 and 6 are of another key.
@Suite("Promises about locks and elections (Q1 to Q6)")
struct LockCheckTests {
    private static let name = Bytes("m")

    private static func pair(
        _ lease: Int64, create: Int64, mod: Int64? = nil, value: String = ""
    ) -> RecordedPair {
        Script.pair(
            "m/\(lease)", value, create: create, mod: mod ?? create,
            version: mod == nil ? 1 : 2, lease: lease)
    }

    private let writes = WriteHistory([
        RecordedRevision(2, [RecordedEvent(.put, pair(1, create: 2))]),
        RecordedRevision(3, [RecordedEvent(.put, pair(2, create: 3))]),
        RecordedRevision(
            4,
            [RecordedEvent(.put, Script.pair("x", "f", create: 4, mod: 4, version: 1))]),
        RecordedRevision(5, [.delete(Bytes("m/1"), at: 5)]),
        RecordedRevision(
            6,
            [RecordedEvent(.put, Script.pair("x", "g", create: 4, mod: 6, version: 2))]),
        RecordedRevision(7, [.delete(Bytes("m/2"), at: 7)]),
    ])

    /// Revision r is made, and seen, between 100 r and 100 r + 10 ms.
    private var script: Script {
        var script = Script()
        for revision in Int64(2)...7 {
            let time = revision * 100
            script.get(time...(time + 10), "y", nil, revision: revision)
        }
        return script
    }

    private func call(
        _ kind: RecordedQueueCall.Kind, lease: Int64, _ times: ClosedRange<Int64>,
        _ outcome: RecordedQueueCall.Outcome, created: Int64 = 0, leader: RecordedPair? = nil
    ) -> RecordedQueueCall {
        RecordedQueueCall(
            id: 1, client: 1, start: times.lowerBound * 1_000_000,
            end: times.upperBound * 1_000_000, kind, name: Self.name, lease: lease,
            key: Bytes("m/\(lease)"), created: created, outcome, leader: leader)
    }

    private func broken(
        _ calls: [RecordedQueueCall], _ observations: [RecordedObservation] = [],
        script: Script? = nil, healthyFrom: Int64? = nil
    ) -> Set<String> {
        var history = (script ?? self.script).history
        history.queueCalls = calls
        history.observations = observations
        var options = LockOptions(healthyFrom: healthyFrom)
        options.lateness = 50_000_000
        options.tellingLateness = 50_000_000
        let truth = QueueTruth(history, writes)
        return Set(LockChecks.check(truth, options).map { $0.property })
    }

    @Test("what a correct service does keeps every promise")
    func correct() {
        let calls = [
            call(.lock, lease: 1, 190...230, .ok(revision: 2)),
            call(.unlock, lease: 1, 490...530, .ok(revision: 5)),
            call(.lock, lease: 2, 290...530, .ok(revision: 5)),
            call(.campaign, lease: 2, 290...530, .ok(revision: 3), created: 3),
            call(.resign, lease: 2, 690...730, .ok(revision: 7), created: 3),
            call(.leader, lease: 0, 590...630, .ok(revision: 6), leader: Self.pair(2, create: 3)),
            call(
                .lock, lease: 2, 290...730, .failed("mutex: session is expired")),
        ]
        #expect(broken(calls, healthyFrom: 0) == [])
    }

    @Test("Q1: two hold at one revision")
    func twoHolders() {
        #expect(broken([call(.lock, lease: 2, 290...430, .ok(revision: 4))]) == ["Q1"])
    }

    @Test("Q1: somebody holds whose key is gone")
    func holderWithoutKey() {
        #expect(broken([call(.lock, lease: 1, 290...630, .ok(revision: 6))]) == ["Q1"])
    }

    @Test("Q1: somebody is told that it leads before its turn came")
    func toldTooEarly() {
        let early = call(.campaign, lease: 2, 290...390, .ok(revision: 3), created: 3)
        #expect(broken([early]) == ["Q1"])
        let never = call(.campaign, lease: 2, 290...390, .ok(revision: 3), created: 2)
        #expect(broken([never]) == ["Q1"])
    }

    @Test("Q1: another is said to lead")
    func wrongLeader() {
        let other = call(
            .leader, lease: 0, 590...630, .ok(revision: 6), leader: Self.pair(1, create: 2))
        #expect(broken([other]) == ["Q1"])
    }

    @Test(
        "Q2: a write under a lock whose key is gone, or whose turn has not come",
        arguments: [
            (Int64(1), Int64(2), Int64(4), true), (1, 2, 6, false), (2, 3, 6, true),
            (2, 3, 4, false), (2, 2, 6, false),
        ])
    func fences(lease: Int64, created: Int64, revision: Int64, holds: Bool) {
        var script = script
        let fence = RecordedCompare(Script.key("m/\(lease)"), .equal, .create(created))
        let put = RecordedPut(Bytes("x"), Bytes("f"))
        script.call(
            0...1000, .txn(RecordedTxn(compares: [fence], success: [.put(put)])),
            .txn(succeeded: true, answers: [.put(previous: nil)]), revision: revision)
        let other = call(.lock, lease: 3, 0...10, .unknown(nil))
        #expect(broken([other], script: script) == (holds ? [] : ["Q2"]))
    }

    @Test("Q3: a release that is acknowledged and leaves the key")
    func notReleased() {
        #expect(broken([call(.unlock, lease: 1, 390...430, .ok(revision: 4))]) == ["Q3"])
        let resigned = call(.resign, lease: 2, 590...630, .ok(revision: 6), created: 3)
        #expect(broken([resigned]) == ["Q3"])
    }

    @Test("Q4: somebody waits on although its turn has come")
    func notPassedOn() {
        let late = call(.lock, lease: 2, 290...590, .ok(revision: 5))
        #expect(broken([late], healthyFrom: 0) == ["Q4"])
        #expect(broken([late], healthyFrom: 580_000_000) == [])
        #expect(broken([late]) == [], "without a calm phase nothing is due")
        let never = call(.lock, lease: 2, 290...595, .unknown("deadline"))
        #expect(broken([never], healthyFrom: 0) == ["Q4"])
    }

    @Test("Q5: somebody is told that its place is gone, which it is not")
    func placeNotGone() {
        for (time, expected) in [(590, ["Q5"]), (730, [])] as [(Int64, [String])] {
            let told = call(
                .campaign, lease: 2, 290...time, .failed("election: session expired"))
            #expect(broken([told]) == Set(expected))
        }
    }

    @Test(
        "Q6: leaders that never led, out of order, twice, too soon, or not at all",
        arguments: [
            ([(220, 2, 1), (520, 5, 2)], []), ([(520, 5, 2)], []),
            ([(520, 5, 2), (530, 5, 1)], ["Q6"]), ([(220, 2, 1), (230, 2, 1)], ["Q6"]),
            ([(220, 4, 2)], ["Q6"]), ([(220, 2, 9)], ["Q6"]), ([(220, 2, 1)], ["late"]),
            ([(220, 2, 1), (590, 5, 2)], ["late"]),
        ] as [([(Int64, Int64, Int64)], [String])])
    func observation(told: [(Int64, Int64, Int64)], expected: [String]) {
        let created: [Int64: Int64] = [1: 2, 2: 3]
        let tellings = told.map { time, revision, lease in
            RecordedObservation.Telling(
                time: time * 1_000_000, revision: revision,
                Self.pair(lease, create: created[lease] ?? 4))
        }
        let observation = RecordedObservation(
            id: 1, client: 1, start: 400_000_000, name: Self.name, tellings: tellings)
        let isLate = expected == ["late"]
        #expect(broken([], [observation]) == Set(isLate ? [] : expected))
        #expect(
            broken([], [observation], healthyFrom: 0) == Set(expected.isEmpty ? [] : ["Q6"]))
    }

    @Test("a lock's part in the store's history is known: what it changes is explained")
    func standIns() {
        var script = Script()
        let locked = call(.lock, lease: 1, 100...200, .ok(revision: 2))
        script.call(
            0...10, .leaseGrant(lease: 1, seconds: 9), .leaseGrant(lease: 1, seconds: 9),
            revision: 1)
        script.get(210...220, "m/1", Self.pair(1, create: 2), revision: 2)
        script.get(410...420, "m/1", nil, revision: 3)
        script.history.writes = WriteHistory([
            RecordedRevision(2, [RecordedEvent(.put, Self.pair(1, create: 2))]),
            RecordedRevision(3, [.delete(Bytes("m/1"), at: 3)]),
        ])
        let unlocked = call(.unlock, lease: 1, 300...400, .ok(revision: 3))
        func isExplained(_ calls: [RecordedQueueCall]) -> Bool {
            var history = script.history
            history.queueCalls = calls.enumerated().map { place, call in
                var call = call
                call.id = place
                return call
            }
            return LinearizabilityChecker.check(history.withStandIns).isLinearizable
        }
        #expect(isExplained([locked, unlocked]))
        #expect(!isExplained([unlocked]), "nobody put the key there")
    }
}
