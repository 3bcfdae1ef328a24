import Primitives
import StateMachine
import Testing

@Suite("A store that begins anew from a backup")
struct RestorationTests {
    @Test("revision, index and term go far ahead; keys keep the revisions that they had")
    func numbers() throws {
        let driver = StoreDriver()
        driver.put("a", "1")
        driver.put("a", "2")
        driver.delete("a")
        driver.put("b", "3")
        let index = driver.store.appliedIndex
        _ = try driver.store.beginAnew(RestorationStep())
        let store = driver.store
        #expect(store.revision == Revision(5 + RestorationStep.revisionsMin))
        #expect(store.appliedIndex.rawValue == index.rawValue + RestorationStep.indexes)
        #expect(store.appliedTerm == Term(1 + RestorationStep.terms))
        #expect(driver.get("b") == "3" && driver.get("a") == nil)
        #expect(driver.keys(RangeRequest("a", to: "z")) == ["b"])
        #expect(store.recordCount == 1)
        store.checkInvariants()
    }

    @Test("history is compacted at the new revision: nothing before it can be read or watched")
    func compacted() throws {
        let driver = StoreDriver()
        driver.put("a", "1")
        _ = try driver.store.beginAnew(RestorationStep())
        let revision = driver.store.revision.rawValue
        #expect(driver.store.compactedRevision.rawValue == revision)
        #expect(throws: StoreError.compacted) {
            _ = try driver.store.range(RangeRequest("a", revision: revision - 1))
        }
        #expect(driver.get("a", at: revision) == "1")
        driver.put("a", "2")
        #expect(driver.store.revision.rawValue == revision + 1)
    }

    @Test("leases have their full time and keep their keys")
    func leases() throws {
        let driver = StoreDriver()
        driver.grant(7, seconds: 100)
        driver.put("a", "1", lease: 7)
        let grant = try #require(driver.store.leases.lease(7)).grantIndex
        let left = LeaseBatch([.init(id: 7, grantIndex: grant, remainingSeconds: 30)])
        driver.apply(.leaseCheckpoint, left.encode())
        #expect(driver.store.leases.all.map(\.remainingSeconds) == [30])
        _ = try driver.store.beginAnew(RestorationStep())
        #expect(driver.store.leases.all.map(\.remainingSeconds) == [0])
        #expect(driver.store.leases.keys(of: 7) == [Bytes("a")])
        driver.revoke(7)
        #expect(driver.get("a") == nil)
    }

    @Test("a launch that no agent confirmed is lost; what runs, runs on")
    func launches() throws {
        let datacenter = DatacenterDriver()
        try datacenter.agent()
        try datacenter.framework()
        datacenter.apply(datacenter.launch([try datacenter.task("t1"), try datacenter.task("t2")]))
        #expect(datacenter.report("t2", .running, "u1") == .committed)
        let changes = try datacenter.driver.store.beginAnew(RestorationStep())
        #expect(changes.lostLaunches == [key("t1")])
        #expect(datacenter.task("t1")?.state == .lost)
        // The framework is to hear of it.
        #expect(datacenter.task("t1")?.waiting.last?.state == .lost)
        #expect(datacenter.task("t2")?.state == .running)
        try datacenter.check()
    }

    @Test("alarms and an announced downgrade are not those of the new cluster")
    func alarms() throws {
        let driver = StoreDriver()
        driver.apply(.alarm, encodedNumbers((1, 1), (2, 9), (3, 1)))
        #expect(driver.store.alarms.isRaised(.noSpace))
        let changes = try driver.store.beginAnew(RestorationStep())
        #expect(changes.alarms == [.noSpace] && driver.store.alarms.raised.isEmpty)
    }

    @Test("members are replaced, and ids before are never used again")
    func members() throws {
        let driver = StoreDriver()
        let old = MemberAttributes(
            member: NodeID(5), name: "n", clientURLs: [], peerURLs: ["http://a:1"], version: "1")
        driver.apply(.memberFoundation, MemberCommand.foundation([old]))
        driver.store.replaceMembers(with: [
            MemberRecord(id: NodeID(6), role: .voter, peerURLs: ["http://a:1"])
        ])
        #expect(driver.store.members.voters == [NodeID(6)])
        #expect(driver.store.members.isRemoved(NodeID(5)))
    }

    @Test("the same state becomes the same, entry by entry or from its rows")
    func deterministic() throws {
        let driver = StoreDriver()
        for number in 0..<2000 { driver.put("k\(number % 700)", "v\(number)") }
        driver.grant(3)
        driver.put("k1", "x", lease: 3)
        let loaded = try driver.reloaded()
        _ = try driver.store.beginAnew(RestorationStep())
        _ = try loaded.beginAnew(RestorationStep())
        #expect(driver.store.fullHash() == loaded.fullHash())
        #expect(Array(driver.store.freeze().rows()).count == Array(loaded.freeze().rows()).count)
    }

    @Test("a step that is too small, and numbers that are too high, change nothing")
    func refused() throws {
        let driver = StoreDriver()
        driver.put("a", "1")
        let small = RestorationStep(revisions: RestorationStep.revisionsMin - 1)
        #expect(throws: RestorationError.stepTooSmall(small.revisions)) {
            _ = try driver.store.beginAnew(small)
        }
        #expect(throws: RestorationError.self) {
            _ = try driver.store.beginAnew(RestorationStep(revisions: .max))
        }
        #expect(driver.store.revision == Revision(2) && driver.store.appliedTerm == Term(1))
    }

    @Test("as often as one likes to restore, numbers stay within their limit")
    func again() throws {
        let driver = StoreDriver()
        for _ in 0..<100 { _ = try driver.store.beginAnew(RestorationStep()) }
        #expect(driver.store.revision.rawValue > 100 * RestorationStep.revisionsMin)
    }
}
