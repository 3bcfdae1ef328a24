import Primitives
import StateMachine
import Testing

@Suite("Compaction (etcd v3 API, KV.Compact)")
struct CompactionTests {
    let driver = StoreDriver()

    /// a at 2, 3, 4 and 5; b at 6, deleted at 7; c at 8.
    init() {
        for value in 2...5 { driver.put("a", "\(value)") }
        driver.put("b", "6")
        driver.delete("b")
        driver.put("c", "8")
    }

    @Test("the compacted revision itself can still be read, those below cannot")
    func floor() {
        driver.compact(4)
        #expect(driver.get("a", at: 4) == "4")
        #expect(throws: StoreError.compacted) {
            try driver.store.range(RangeRequest("a", revision: 3))
        }
        #expect(driver.store.compactedRevision == Revision(4))
    }

    @Test("compacting again at or below is refused, and so is the future; 0 is taken once")
    func bounds() {
        #expect(driver.compact(-1).error == .compacted)
        #expect(driver.compact(0).error == nil)
        #expect(driver.compact(0).error == .compacted)
        #expect(driver.compact(9).error == .futureRevision)
        #expect(driver.compact(8).error == nil)
        #expect(driver.compact(8).error == .compacted)
        #expect(driver.compact(5).error == .compacted)
    }

    @Test("the answer has the current revision and there is no new one")
    func revision() {
        let applied = driver.compact(4)
        #expect(applied.revision == Revision(8) && applied.events.isEmpty)
    }

    @Test("purging frees what nobody can read and nothing else")
    func purge() {
        driver.compact(4)
        #expect(driver.store.recordCount == 7)
        driver.purgeAll()
        #expect(driver.store.recordCount == 5)
        #expect(driver.get("a", at: 4) == "4")
        #expect(driver.get("b", at: 6) == "6")
        driver.compact(8)
        driver.purgeAll()
        #expect(driver.store.recordCount == 2)
        #expect(driver.get("a") == "5")
        driver.store.checkInvariants()
    }

    @Test("what changed at the compacted revision stays for a watch, a deletion too")
    func watchFromFloor() {
        driver.compact(7)
        driver.purgeAll()
        let events = driver.store.events(from: Revision(7), max: 100)
        #expect(events.map(\.line) == ["b deleted 7.0", "c=8 8/8.0/1"])
        #expect(events.first.flatMap { driver.store.previous(of: $0) } == nil)
        driver.compact(8)
        driver.purgeAll()
        #expect(driver.store.events(from: Revision(7), max: 100).map(\.line) == ["c=8 8/8.0/1"])
    }

    @Test("purging in slices of one does the same as all at once")
    func slices() throws {
        let other = StoreDriver()
        for entry in driver.log { _ = other.store.apply(entry) }
        driver.compact(8)
        other.compact(8)
        driver.purgeAll()
        var slices = 0
        while other.store.purge(budget: 1) { slices += 1 }
        #expect(slices > 4)
        #expect(other.store.recordCount == driver.store.recordCount)
        #expect(other.store.bytesInUse == driver.store.bytesInUse)
        other.store.checkInvariants()
    }

    @Test("a slice is bounded also where one key has thousands of versions")
    func hotKey() {
        for value in 0..<3000 { driver.put("hot", "\(value)") }
        driver.compact(driver.store.revision.rawValue)
        var worst = 0
        var before = driver.store.recordCount
        while driver.store.purge(budget: 100) {
            worst = max(worst, before - driver.store.recordCount)
            before = driver.store.recordCount
        }
        #expect(worst <= 100)
        #expect(driver.get("hot") == "2999")
        #expect(driver.store.recordCount == 3)
        driver.store.checkInvariants()
    }

    @Test("a deletion between versions of its key is freed with them")
    func recreated() {
        driver.put("b", "again")
        driver.compact(9)
        driver.purgeAll()
        #expect(driver.store.events(from: Revision(9), max: 10).map(\.line) == ["b=again 9/9.0/1"])
        #expect(driver.store.recordCount == 3)
        driver.store.checkInvariants()
    }

    @Test("digest and hash do not depend on how far a node has purged")
    func purgeIsInvisible() {
        driver.compact(6)
        let digest = driver.store.digest
        let hash = driver.store.fullHash()
        while driver.store.purge(budget: 1) {
            #expect(driver.store.digest == digest)
            #expect(driver.store.fullHash() == hash)
        }
        #expect(driver.store.fullHash() == hash)
    }

    @Test("the weight of what is held grows with puts and shrinks with purges")
    func weight() {
        let before = driver.store.bytesInUse
        driver.put("d", String(repeating: "x", count: 1000))
        #expect(driver.store.bytesInUse == before + 1001 + Record.overheadBytes)
        driver.delete("d")
        driver.compact(driver.store.revision.rawValue)
        driver.put("e", "")
        driver.compact(driver.store.revision.rawValue)
        driver.purgeAll()
        #expect(driver.store.bytesInUse < before)
    }
}
