import Primitives
import StateMachine
import Testing

@Suite("What was: versions of a key, and the datacenter at a revision")
struct PastTests {
    @Test("versions come newest first, with deletions between them, and page by page")
    func versions() {
        let driver = StoreDriver()
        driver.put("k", "1")
        driver.put("other", "x")
        driver.put("k", "2")
        driver.delete("k")
        driver.put("k", "3")
        let all = driver.store.versions(of: bytes("k"), max: 10).map(\.line)
        #expect(all == ["k=3 6/6.0/1", "k deleted 5.0", "k=2 2/4.0/2", "k=1 2/2.0/1"])
        let first = driver.store.versions(of: bytes("k"), max: 2).map(\.modRevision)
        #expect(first == [6, 5])
        let rest = driver.store.versions(of: bytes("k"), before: 5, max: 2).map(\.modRevision)
        #expect(rest == [4, 2])
        #expect(driver.store.versions(of: bytes("k"), before: 2, max: 2).isEmpty)
        #expect(driver.store.versions(of: bytes("none"), max: 2).isEmpty)
    }

    @Test("what a compaction has made unreachable is not shown, purged or not")
    func compacted() {
        let driver = StoreDriver()
        for value in ["1", "2", "3"] { driver.put("k", value) }
        driver.put("gone", "x")
        driver.delete("gone")
        driver.put("k", "4")
        driver.compact(7)
        for _ in 0..<2 {
            #expect(driver.store.versions(of: bytes("k"), max: 10).map(\.modRevision) == [7])
            #expect(driver.store.versions(of: bytes("gone"), max: 10).isEmpty)
            driver.purgeAll()
        }
    }

    @Test("the datacenter at a revision is the table as it was behind that entry")
    func datacenter() throws {
        let master = DatacenterDriver()
        var tables: [Int64: DatacenterTable] = [:]
        func keep() { tables[master.driver.store.revision.rawValue] = master.table }
        try master.agent()
        keep()
        try master.framework()
        keep()
        #expect(master.error(master.launch([try master.task("t"), try master.task("u")])) == nil)
        keep()
        #expect(master.report("t", .running, "u1") == .committed)
        keep()
        #expect(master.report("t", .finished, "u2") == .committed)
        keep()
        master.apply(.endFramework(FrameworkID("f1"), session: 0))
        keep()
        let store = master.driver.store
        for revision in tables.keys.sorted() {
            let past = try store.datacenterPast(at: revision)
            #expect(try past.table() == tables[revision], "revision \(revision)")
        }
        #expect(try store.datacenterPast(at: 0).table() == master.table)
        let launched = try #require(tables.keys.sorted().dropFirst(2).first)
        let key = TaskKey(FrameworkID("f1"), TaskID("t"))
        #expect(try store.datacenterPast(at: launched).launchInfo(of: key) == bytes("info of t"))
        #expect(try store.datacenterPast(at: launched - 1).launchInfo(of: key) == nil)
        #expect(throws: StoreError.futureRevision) {
            try store.datacenterPast(at: store.revision.rawValue + 1)
        }
        // A compaction of clients' keys leaves the records' past.
        master.driver.compact(store.revision.rawValue)
        #expect(try store.datacenterPast(at: launched).table() == tables[launched])
    }
}
