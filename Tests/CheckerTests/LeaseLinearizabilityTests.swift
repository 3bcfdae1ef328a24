import Primitives
import Simulation
import Testing

@Suite("Strict serializability: leases")
struct LeaseLinearizabilityTests {
    private let leased = Script.pair("a", "1", create: 2, mod: 2, version: 1, lease: 7)

    /// A lease of two seconds from 0 to 10 ms, and a key on it.
    private func granted() -> Script {
        var script = Script()
        script.call(
            0...10, .leaseGrant(lease: 7, seconds: 2), .leaseGrant(lease: 7, seconds: 2),
            revision: 1)
        script.put(20...30, "a", "1", lease: 7, revision: 2)
        return script
    }

    @Test("a key goes with its lease when the time is over, and not before")
    func expiry() {
        for (time, accepted) in [(1500, false), (2100, true)] as [(Int64, Bool)] {
            var script = granted()
            script.get(40...50, "a", leased, revision: 2)
            script.get(time...(time + 10), "a", nil, revision: 3)
            #expect(script.isAccepted == accepted)
            #expect(script.isRefused == !accepted)
        }
    }

    @Test("a renewal moves the end of the lease's time")
    func renewal() {
        for (time, accepted) in [(2900, false), (3100, true)] as [(Int64, Bool)] {
            var script = granted()
            script.call(
                1000...1010, .leaseKeepAlive(lease: 7), .leaseKeepAlive(seconds: 2), revision: 2)
            script.get(time...(time + 10), "a", nil, revision: 3)
            #expect(script.isAccepted == accepted)
        }
    }

    @Test("the server's clock may be allowed to gain on the clients'")
    func slack() {
        var script = granted()
        script.get(1900...1950, "a", nil, revision: 3)
        #expect(script.isRefused)
        var options = LinearizabilityOptions()
        options.leaseSlack = 100_000_000
        #expect(LinearizabilityChecker.check(script.history, options).isLinearizable)
    }

    @Test("a renewal that succeeds after an answered revocation is refused")
    func renewalAfterRevocation() {
        var script = granted()
        script.call(40...50, .leaseRevoke(lease: 7), .leaseRevoke, revision: 3)
        script.get(60...70, "a", nil, revision: 3)
        #expect(script.isAccepted)
        script.call(
            80...90, .leaseKeepAlive(lease: 7), .leaseKeepAlive(seconds: 2), revision: 3)
        #expect(script.isRefused)
    }

    @Test("a revocation takes all keys in one revision")
    func oneRevision() {
        var script = granted()
        script.put(32...38, "b", "1", lease: 7, revision: 3)
        script.call(40...50, .leaseRevoke(lease: 7), .leaseRevoke, revision: 4)
        script.get(60...70, "a", nil, revision: 4)
        #expect(script.isAccepted)
        script.get(
            60...70, "b", Script.pair("b", "1", create: 3, mod: 3, version: 1, lease: 7),
            revision: 4)
        #expect(script.isRefused)
    }

    @Test("a put on a lease that is gone is refused, and may not be answered as done")
    func putAfterRevocation() {
        let put = RecordedRequest.put(RecordedPut(Bytes("b"), Bytes("1"), lease: 7))
        let refusal = RecordedOutcome.failed("etcdserver: requested lease not found")
        var script = granted()
        script.call(40...50, .leaseRevoke(lease: 7), .leaseRevoke, revision: 3)
        var refused = script
        refused.add(60...70, put, refusal)
        #expect(refused.isAccepted)
        script.call(60...70, put, .put(previous: nil), revision: 4)
        #expect(script.isRefused)
        var alive = granted()
        alive.add(40...50, put, refusal)
        #expect(alive.isRefused)
    }

    @Test("an unanswered grant or revocation explains what needs it")
    func unanswered() {
        var grant = Script()
        grant.add(0...10, .leaseGrant(lease: 7, seconds: 2), .unknown(nil))
        grant.put(20...30, "a", "1", lease: 7, revision: 2)
        #expect(grant.isAccepted)
        var revoke = granted()
        revoke.add(40...50, .leaseRevoke(lease: 7), .unknown(nil))
        revoke.get(60...70, "a", nil, revision: 3)
        #expect(revoke.isAccepted)
        var nothing = granted()
        nothing.get(60...70, "a", nil, revision: 3)
        #expect(nothing.isRefused)
    }

    @Test("a lease is not granted twice while it lives")
    func grantedTwice() {
        var script = granted()
        script.call(
            40...50, .leaseGrant(lease: 7, seconds: 2), .leaseGrant(lease: 7, seconds: 2),
            revision: 2)
        #expect(script.isRefused)
    }

    @Test("a question for the time left tells a living lease's keys")
    func timeToLive() {
        for (keys, accepted) in [(["a"], true), ([], false)] as [([String], Bool)] {
            var script = granted()
            script.call(
                40...50, .leaseTimeToLive(lease: 7, wantsKeys: true),
                .leaseTimeToLive(remaining: 1, granted: 2, keys: keys.map { Bytes($0) }),
                revision: 2)
            #expect(script.isAccepted == accepted)
        }
    }
}
