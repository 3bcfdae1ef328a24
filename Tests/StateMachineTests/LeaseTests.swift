import Primitives
import StateMachine
import Testing

@Suite("Leases (etcd v3 API, Lease; DESIGN §6)")
struct LeaseTests {
    let driver = StoreDriver()

    func batch(_ kind: CommandKind, _ items: LeaseBatch.Item..., fence: Term = .zero) -> Applied {
        driver.apply(kind, LeaseBatch(items).encode(), fence: fence)
    }

    /// About the lease as it is now.
    func item(_ id: Int64, _ remainingSeconds: Int64 = 0) -> LeaseBatch.Item {
        .init(
            id: id, grantIndex: driver.store.leases.lease(id)?.grantIndex ?? .zero,
            remainingSeconds: remainingSeconds)
    }

    @Test("a grant names its lease, takes the proposer's id for none, and raises short times")
    func grant() {
        #expect(driver.grant(7, seconds: 60).leaseChanges == [.granted(id: 7, seconds: 60)])
        let chosen = driver.apply(
            .leaseGrant, encodedNumbers((1, 1)), proposedID: 99, leaseSecondsMin: 2)
        guard case .leaseGrant(99, 2) = chosen.outcome else {
            Issue.record("\(chosen.outcome)")
            return
        }
        #expect(driver.store.leases.all.map(\.id) == [7, 99])
        #expect(driver.store.revision == Revision(1))
    }

    @Test("a known id, too large a time and no id at all are refused")
    func badGrants() {
        driver.grant(7)
        #expect(driver.grant(7).error == .leaseExists)
        #expect(driver.grant(8, seconds: 9_000_000_001).error == .leaseTimeTooLarge)
        #expect(driver.grant(8, seconds: 9_000_000_000).error == nil)
        #expect(driver.apply(.leaseGrant, encodedNumbers((1, 60))).error == .leaseNotFound)
        #expect(driver.grant(-5, seconds: -3).leaseChanges == [.granted(id: -5, seconds: 1)])
    }

    @Test("a put attaches its key, the next put without the lease detaches it")
    func attaching() {
        driver.grant(7)
        driver.grant(8)
        driver.put("b", "1", lease: 7)
        driver.put("a", "1", lease: 7)
        driver.put("a", "2", lease: 7)
        #expect(driver.store.leases.keys(of: 7) == [Bytes("a"), Bytes("b")])
        driver.put("a", "3")
        #expect(driver.store.leases.keys(of: 7) == [Bytes("b")])
        driver.put("b", "2", lease: 8)
        #expect(driver.store.leases.keys(of: 7) == [])
        #expect(driver.store.leases.keys(of: 8) == [Bytes("b")])
        driver.store.checkInvariants()
    }

    @Test("a revocation deletes the attached keys in key order in one revision")
    func revoke() {
        driver.grant(7)
        for key in ["c", "a", "b"] { driver.put(key, "1", lease: 7) }
        driver.put("other", "1")
        let applied = driver.revoke(7)
        #expect(
            applied.events.map(\.line) == ["a deleted 6.0", "b deleted 6.1", "c deleted 6.2"])
        #expect(applied.revision == Revision(6))
        #expect(applied.leaseChanges == [.revoked(id: 7)])
        #expect(driver.store.leases.count == 0)
        #expect(driver.keys(.everything) == ["other"])
        #expect(driver.revoke(7).error == .leaseNotFound)
    }

    @Test("revoking a lease without keys makes no revision")
    func revokeEmpty() {
        driver.grant(7)
        #expect(driver.revoke(7).revision == Revision(1))
    }

    @Test("a batch of expiries makes one revision a lease and passes over those that are gone")
    func expire() {
        driver.grant(1)
        driver.grant(2)
        driver.put("b", "1", lease: 1)
        driver.put("a", "1", lease: 2)
        let applied = batch(.leaseExpire, item(1), .init(id: 9, grantIndex: .zero), item(2))
        #expect(applied.events.map(\.line) == ["b deleted 4.0", "a deleted 5.0"])
        #expect(applied.revision == Revision(5))
        #expect(applied.leaseChanges == [.revoked(id: 1), .revoked(id: 2)])
        driver.store.checkInvariants()
    }

    @Test("an expiry that was decided in another term changes nothing")
    func fence() {
        driver.grant(1)
        driver.term = Term(5)
        let stale = batch(.leaseExpire, item(1), fence: Term(4))
        #expect(stale.error == .fenced(decidedIn: 4, committedIn: 5))
        #expect(driver.store.leases.contains(1))
        #expect(batch(.leaseExpire, item(1), fence: Term(5)).error == nil)
        #expect(!driver.store.leases.contains(1))
    }

    @Test("a checkpoint keeps what is left of a lease, zero clears it, nonsense is bounded")
    func checkpoint() {
        driver.grant(1, seconds: 60)
        let applied = batch(
            .leaseCheckpoint, item(1, 20),
            .init(id: 5, grantIndex: .zero, remainingSeconds: 1))
        #expect(applied.leaseChanges == [.checkpointed(id: 1, remainingSeconds: 20)])
        #expect(driver.store.leases.lease(1)?.remainingSeconds == 20)
        _ = batch(.leaseCheckpoint, item(1))
        #expect(driver.store.leases.lease(1)?.remainingSeconds == 0)
        _ = batch(.leaseCheckpoint, item(1, .max))
        #expect(driver.store.leases.lease(1)?.remainingSeconds == 60)
        _ = batch(.leaseCheckpoint, item(1, .min))
        #expect(driver.store.leases.lease(1)?.remainingSeconds == 0)
    }

    @Test("a key deleted and put again in one transaction has the lease of the put")
    func transaction() {
        driver.grant(1)
        driver.put("a", "1", lease: 1)
        let inner = RequestOp.txn(TxnRequest(then: [.deleteRange(DeleteRangeRequest("a"))]))
        let request = TxnRequest(then: [
            .txn(TxnRequest(then: [.put(PutRequest("a", "2", lease: 1))])), inner,
        ])
        driver.txn(request)
        #expect(driver.store.leases.keys(of: 1) == [])
        #expect(driver.get("a") == nil)
        driver.store.checkInvariants()
    }

    @Test("a broken batch is refused as a whole")
    func malformed() {
        driver.grant(1)
        var bytes = LeaseBatch([item(1)]).encode()
        bytes.removeLast()
        #expect(driver.apply(.leaseExpire, bytes).error == .malformed(offset: 4))
        #expect(driver.apply(.leaseExpire, [1]).error == .malformed(offset: 1))
        #expect(driver.store.leases.contains(1))
    }

    @Test("what was decided about an id's earlier life does not touch the next one (L1)")
    func grantedAnew() {
        driver.grant(7, seconds: 5)
        let expiry = item(7)
        let checkpoint = item(7, 2)
        driver.revoke(7)
        driver.grant(7, seconds: 60)
        driver.put("a", "1", lease: 7)
        #expect(batch(.leaseExpire, expiry).leaseChanges == [])
        #expect(batch(.leaseCheckpoint, checkpoint).leaseChanges == [])
        #expect(
            driver.store.leases.all
                == [Lease(id: 7, grantedSeconds: 60, grantIndex: LogIndex(3))])
        #expect(driver.get("a") == "1")
        #expect(batch(.leaseExpire, item(7)).leaseChanges == [.revoked(id: 7)])
    }

    @Test("a checkpoint of a lease keeps what tells its life from others")
    func grantIndexStays() {
        driver.put("a", "1")
        driver.grant(7)
        _ = batch(.leaseCheckpoint, item(7, 2))
        #expect(driver.store.leases.lease(7)?.grantIndex == LogIndex(2))
    }

    @Test("a batch of another version stops the node: it may mean anything")
    func otherVersion() {
        driver.grant(1)
        var bytes = LeaseBatch([item(1)]).encode()
        bytes[2] += 1
        #expect(driver.apply(.leaseExpire, bytes).mustStop)
        #expect(driver.store.leases.contains(1))
    }
}
