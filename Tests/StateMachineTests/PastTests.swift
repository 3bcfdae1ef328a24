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

    /// Three agents, one after the other, at revisions 2 to 4, and a client's key at 5 and 6.
    private func threeAgents() throws -> DatacenterDriver {
        let master = DatacenterDriver()
        for number in 1...3 { try master.agent(new: "a\(number)", incarnation: UInt64(number)) }
        master.driver.put("k", "1")
        master.driver.put("k", "2")
        return master
    }

    @Test("compacted records are there from that revision on, and clients' keys keep their past")
    func compactedRecords() throws {
        let master = try threeAgents()
        let store = master.driver.store
        let before = store.recordBytesInUse
        let applied = master.apply(.compact(Revision(3)))
        #expect(applied.revision == Revision(6) && applied.events.isEmpty)
        #expect(applied.error == nil)
        master.driver.purgeAll()
        store.checkInvariants()
        #expect(throws: StoreError.compacted) { try store.datacenterPast(at: 2) }
        #expect(try store.datacenterPast(at: 3).table().agents.count == 2)
        #expect(store.compactedRevision(of: .datacenter) == Revision(3))
        #expect(store.compactedRevision == .zero && master.driver.get("k", at: 5) == "1")
        #expect(master.table.agents.count == 3)
        // Only what nobody can see any more went: an agent's record has one version.
        #expect(store.recordBytesInUse == before)
        let session = master.table.agents[AgentID("a1")]?.record.session ?? 0
        master.apply(.agentUnreachable(AgentID("a1"), session: session))
        let both = store.recordBytesInUse
        master.apply(.compact(store.revision))
        master.driver.purgeAll()
        #expect(store.recordBytesInUse < both)
    }

    @Test("records are not compacted twice at a revision, nor in the future, nor below a floor")
    func compactedTwice() throws {
        let master = try threeAgents()
        let newest = Revision(6)
        func refused(_ revision: Int64, at floor: Int64) -> DatacenterError {
            .notCompactable(Revision(revision), compacted: Revision(floor), newest: newest)
        }
        for revision in [Int64.min, -1, 0] {
            #expect(master.error(.compact(Revision(revision))) == refused(revision, at: 0))
        }
        #expect(master.error(.compact(Revision(7))) == refused(7, at: 0))
        let digest = master.driver.store.digest
        #expect(master.error(.compact(Revision(4))) == nil)
        #expect(master.driver.store.digest != digest)
        for revision in [Int64(4), 3] {
            #expect(master.error(.compact(Revision(revision))) == refused(revision, at: 4))
        }
        #expect(master.error(.compact(newest)) == nil)
    }

    @Test("a watch below /keelson/ begins at the records' floor, whatever clients compact")
    func compactedWatch() throws {
        let master = try threeAgents()
        master.driver.compact(6)
        master.apply(.compact(Revision(4)))
        master.driver.purgeAll()
        let store = master.driver.store
        let seen = store.events(from: Revision(4), max: 10, in: .datacenter)
        #expect(seen.map(\.modRevision) == [4])
        let rows = try master.driver.reloaded()
        #expect(rows.compactedRevision(of: .datacenter) == Revision(4))
        #expect(rows.compactedRevision == Revision(6) && rows.digest == store.digest)
    }

    @Test("the middle of the past is behind its floor, and there is none where little is kept")
    func middle() throws {
        let master = DatacenterDriver()
        let store = master.driver.store
        try master.agent()
        #expect(store.recordMiddle == nil && store.recordPastBytes == 0)
        for _ in 0..<2000 { try master.agent("a1") }
        #expect(store.recordPastBytes > store.recordBytesInUse / 2)
        var floor = Revision.zero
        var rounds = 0
        while let middle = store.recordMiddle {
            try #require(middle > floor && middle < store.revision)
            #expect(master.error(.compact(middle)) == nil)
            master.driver.purgeAll()
            floor = middle
            rounds += 1
        }
        #expect((1...12).contains(rounds))
        #expect(store.recordCount < 2 * RevisionLog.chunkRecordsMax + 512)
        store.checkInvariants()
    }

    @Test("a build that does not know the compaction of records says so before it applies it")
    func unknownCompaction() throws {
        let bytes = DatacenterCommand.compact(Revision(4)).encode()
        #expect(DatacenterCommand.level(of: bytes) == .recordCompaction)
        bytes.withUnsafeBytes { bytes in
            #expect(throws: StoreError.unknownCommand(version: 17, kind: 21)) {
                try DatacenterCommand.decode(bytes, known: .services)
            }
            #expect(throws: Never.self) { try DatacenterCommand.decode(bytes) }
        }
    }
}
