import Primitives
import Simulation
import Testing

@Suite("Promises about leases (L1 to L5)")
struct LeaseCheckTests {
    private static func event(_ key: String, _ revision: Int64, lease: Int64) -> RecordedEvent {
        RecordedEvent(
            .put,
            Script.pair(key, "1", create: revision, mod: revision, version: 1, lease: lease))
    }

    /// A lease of two seconds with the keys a and b, in revisions 2 and 3.
    private func granted() -> Script {
        var script = Script()
        script.call(
            0...10, .leaseGrant(lease: 7, seconds: 2), .leaseGrant(lease: 7, seconds: 2),
            revision: 1)
        script.put(20...30, "a", "1", lease: 7, revision: 2)
        script.put(32...38, "b", "1", lease: 7, revision: 3)
        return script
    }

    private func writes(_ deleted: [String]) -> WriteHistory {
        var revisions = [
            RecordedRevision(2, [LeaseCheckTests.event("a", 2, lease: 7)]),
            RecordedRevision(3, [LeaseCheckTests.event("b", 3, lease: 7)]),
        ]
        if !deleted.isEmpty {
            revisions.append(RecordedRevision(4, deleted.map { .delete(Bytes($0), at: 4) }))
        }
        return WriteHistory(revisions)
    }

    private func broken(
        _ script: Script, deleted: [String] = ["a", "b"], healthyFrom: Int64? = nil,
        slack: Int64 = 0
    ) -> Set<String> {
        let truth = LeaseTruth(script.history, writes(deleted))
        let options = LeaseOptions(
            slack: slack, lateness: 1_000_000_000, healthyFrom: healthyFrom)
        return Set(LeaseChecks.check(truth, options).map { $0.property })
    }

    @Test("what a correct store does keeps every promise", arguments: 1...60 as ClosedRange)
    func correct(seed: UInt64) {
        let history = Workload(seed: seed, operations: 2000, clients: 4, tellsWrites: true).run()
        let truth = LeaseTruth(history, history.writes ?? WriteHistory([]))
        #expect(LeaseChecks.check(truth) == [])
    }

    @Test("L1: keys that go before their lease's time")
    func early() {
        for (time, expected) in [(1900, ["L1"]), (2100, [])] as [(Int64, [String])] {
            var script = granted()
            script.get(time...(time + 10), "a", nil, revision: 4)
            #expect(broken(script) == Set(expected))
        }
        var renewed = granted()
        renewed.call(
            1000...1010, .leaseKeepAlive(lease: 7), .leaseKeepAlive(seconds: 2), revision: 3)
        renewed.get(2500...2510, "a", nil, revision: 4)
        #expect(broken(renewed) == ["L1"])
        #expect(broken(renewed, slack: 600_000_000) == [])
        var revoked = granted()
        revoked.add(40...50, .leaseRevoke(lease: 7), .unknown(nil))
        revoked.get(60...70, "a", nil, revision: 4)
        #expect(broken(revoked) == [], "an unanswered revocation may have done it")
    }

    @Test("L1: somebody is told too early that a lease is gone")
    func toldEarly() {
        for request in [
            (RecordedRequest.leaseKeepAlive(lease: 7), RecordedAnswer.leaseKeepAlive(seconds: 0)),
            (
                .leaseTimeToLive(lease: 7, wantsKeys: false),
                .leaseTimeToLive(remaining: -1, granted: 0, keys: nil)
            ),
        ] {
            var script = granted()
            script.call(100...110, request.0, request.1, revision: 3)
            #expect(broken(script, deleted: []) == ["L1"])
        }
    }

    @Test("L2: keys that stay too long")
    func late() {
        for (time, expected) in [(2900, []), (3100, ["L2"])] as [(Int64, [String])] {
            var script = granted()
            let pair = LeaseCheckTests.event("a", 2, lease: 7).pair
            script.get(time...(time + 10), "a", pair, revision: 3)
            #expect(broken(script, deleted: [], healthyFrom: 0) == Set(expected))
            #expect(broken(script, deleted: [], healthyFrom: 3_000_000_000) == [])
            #expect(broken(script, deleted: []) == [])
        }
    }

    @Test("L3: a revocation or an expiry that leaves a key")
    func whole() {
        var revoked = granted()
        revoked.call(40...50, .leaseRevoke(lease: 7), .leaseRevoke, revision: 4)
        #expect(broken(revoked) == [])
        #expect(broken(revoked, deleted: ["a"]) == ["L3"])
        var expired = granted()
        expired.get(2100...2110, "a", nil, revision: 4)
        #expect(broken(expired, deleted: ["a"]) == ["L3"])
        // Somebody else's deletion, after which the revocation finds nothing to delete.
        var deleted = granted()
        deleted.call(
            40...50, .deleteRange(RecordedDeleteRange(.everything)),
            .deleteRange(deleted: 3, previous: []), revision: 4)
        deleted.call(60...70, .leaseRevoke(lease: 7), .leaseRevoke, revision: 4)
        #expect(broken(deleted, deleted: ["a", "b", "c"]) == [])
    }

    @Test("L4: a renewal that succeeds after the end")
    func renewed() {
        var revoked = granted()
        revoked.call(40...50, .leaseRevoke(lease: 7), .leaseRevoke, revision: 4)
        revoked.call(
            60...70, .leaseKeepAlive(lease: 7), .leaseKeepAlive(seconds: 2), revision: 4)
        #expect(broken(revoked) == ["L4"])
        var expired = granted()
        expired.get(2100...2110, "a", nil, revision: 4)
        expired.call(
            2200...2210, .leaseKeepAlive(lease: 7), .leaseKeepAlive(seconds: 2), revision: 4)
        #expect(broken(expired) == ["L4"])
    }

    @Test("L5: less is left than was granted or renewed")
    func shortened() {
        for (remaining, granted, expected) in [
            (7, 10, []), (2, 10, ["L5"]), (9, 5, ["L5"]),
        ] as [(Int64, Int64, [String])] {
            var script = Script()
            script.call(
                0...10, .leaseGrant(lease: 7, seconds: 10),
                .leaseGrant(lease: 7, seconds: 10), revision: 1)
            script.call(
                1000...1010, .leaseTimeToLive(lease: 7, wantsKeys: false),
                .leaseTimeToLive(remaining: remaining, granted: granted, keys: nil), revision: 1)
            #expect(broken(script, deleted: []) == Set(expected))
        }
        var less = Script()
        less.call(
            0...10, .leaseGrant(lease: 7, seconds: 10), .leaseGrant(lease: 7, seconds: 2),
            revision: 1)
        #expect(broken(less, deleted: []) == ["L5"])
    }
}
