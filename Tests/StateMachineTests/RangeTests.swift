import Primitives
import StateMachine
import Testing

@Suite("Range (etcd v3 API, KV.Range)")
struct RangeTests {
    let driver = StoreDriver()

    /// a=3, b=2, c=1 at revisions 2, 3 and 4, then b=9 at 5.
    init() {
        driver.put("a", "3")
        driver.put("b", "2")
        driver.put("c", "1")
        driver.put("b", "9")
    }

    func range(_ request: RangeRequest) throws -> RangeResult { try driver.store.range(request) }

    @Test("an empty range end is one key, a zero byte every key from the first on")
    func bounds() {
        #expect(driver.keys(RangeRequest("b")) == ["b"])
        #expect(driver.keys(RangeRequest("b", to: "\0")) == ["b", "c"])
        #expect(driver.keys(.everything) == ["a", "b", "c"])
        #expect(driver.keys(RangeRequest("a", to: "c")) == ["a", "b"])
        #expect(driver.keys(RangeRequest("c", to: "a")) == [])
        #expect(driver.keys(RangeRequest("aa")) == [])
    }

    @Test("an old revision reads what was there then, and the header has the newest revision")
    func oldRevision() throws {
        let result = try range(RangeRequest("a", to: "\0", revision: 3))
        #expect(result.records.map(\.line) == ["a=3 2/2.0/1", "b=2 3/3.0/1"])
        #expect(result.count == 2)
        #expect(result.revision == Revision(5))
        #expect(try range(RangeRequest("c", revision: 3)).count == 0)
    }

    @Test("a revision of zero or less reads the newest, one ahead is refused")
    func revisionBounds() throws {
        #expect(driver.get("b", at: 0) == "9")
        #expect(driver.get("b", at: -4) == "9")
        #expect(driver.get("b", at: 5) == "9")
        #expect(throws: StoreError.futureRevision) { try range(RangeRequest("b", revision: 6)) }
    }

    @Test("the count covers the range whatever the limit, and more says that the limit cut")
    func limit() throws {
        let cut = try range(RangeRequest("a", to: "\0", limit: 2))
        #expect(cut.records.count == 2 && cut.count == 3 && cut.more)
        let exact = try range(RangeRequest("a", to: "\0", limit: 3))
        #expect(exact.records.count == 3 && exact.count == 3 && !exact.more)
        let old = try range(RangeRequest("a", to: "\0", limit: 1, revision: 4))
        #expect(old.records.count == 1 && old.count == 3 && old.more)
        let negative = try range(RangeRequest("a", to: "\0", limit: -1))
        #expect(negative.records.count == 3 && !negative.more)
        let huge = try range(RangeRequest("a", to: "\0", limit: .max))
        #expect(huge.records.count == 3 && !huge.more)
    }

    @Test("count_only returns no pairs, ignores the limit and says no more")
    func countOnly() throws {
        var request = RangeRequest("a", to: "\0", limit: 1)
        request.countOnly = true
        let result = try range(request)
        #expect(result.records.isEmpty && result.count == 3 && !result.more)
        request.revision = 2
        #expect(try range(request).count == 1)
        request = RangeRequest("b")
        request.countOnly = true
        #expect(try range(request).count == 1)
    }

    @Test("keys_only leaves out value and lease, but keeps the lease where values were sorted")
    func keysOnly() throws {
        driver.grant(4)
        driver.put("d", "x", lease: 4)
        func encoded(_ target: SortTarget) throws -> [UInt8] {
            var request = RangeRequest("d", target: target)
            request.keysOnly = true
            let result = try range(request)
            var writer = ProtobufWriter()
            result.records[0].encodeKeyValue(into: &writer, result.form)
            #expect(writer.bytes.count == result.records[0].keyValueByteCount(result.form))
            return writer.bytes
        }
        #expect(try encoded(.key) == [0x0A, 1, 0x64, 0x10, 6, 0x18, 6, 0x20, 1])
        #expect(try encoded(.value) == [0x0A, 1, 0x64, 0x10, 6, 0x18, 6, 0x20, 1, 0x30, 4])
    }

    @Test("every sort target sorts in both directions")
    func sorting() {
        func keys(_ target: SortTarget, _ order: SortOrder) -> [String] {
            driver.keys(RangeRequest("a", to: "\0", order: order, target: target))
        }
        #expect(keys(.key, .ascend) == ["a", "b", "c"])
        #expect(keys(.key, .descend) == ["c", "b", "a"])
        #expect(keys(.version, .ascend) == ["a", "c", "b"])
        #expect(keys(.version, .descend) == ["b", "a", "c"])
        #expect(keys(.create, .descend) == ["c", "b", "a"])
        #expect(keys(.mod, .ascend) == ["a", "c", "b"])
        #expect(keys(.value, .ascend) == ["c", "a", "b"])
        #expect(keys(.value, .descend) == ["b", "a", "c"])
    }

    @Test("a sort target without an order sorts what the limit by key has left")
    func limitBeforeSort() throws {
        // By key the limit and one more leave a=3 and b=9: c=1, the lowest, is not among them.
        let quirk = try range(RangeRequest("a", to: "\0", limit: 1, target: .value))
        #expect(quirk.records.map(\.key.description) == ["a"])
        #expect(quirk.more && quirk.count == 3)
        let sorted = try range(RangeRequest("b", to: "\0", limit: 1, target: .value))
        #expect(sorted.records.map(\.key.description) == ["c"])
        let proper = try range(
            RangeRequest("a", to: "\0", limit: 1, order: .ascend, target: .value))
        #expect(proper.records.map(\.key.description) == ["c"])
        #expect(proper.more && proper.count == 3)
    }

    @Test("filters by mod and create revision narrow the pairs and not the count")
    func filters() throws {
        var request = RangeRequest("a", to: "\0")
        request.minModRevision = 4
        #expect(driver.keys(request) == ["b", "c"])
        #expect(try range(request).count == 3)
        request.maxModRevision = 4
        #expect(driver.keys(request) == ["c"])
        request = RangeRequest("a", to: "\0", limit: 1)
        request.minCreateRevision = 3
        #expect(driver.keys(request) == ["b"])
        #expect(try range(request).more)
        request.maxCreateRevision = 3
        #expect(driver.keys(request) == ["b"])
        #expect(try !range(request).more)
        request = RangeRequest("b")
        request.maxModRevision = 4
        #expect(driver.keys(request) == [])
        #expect(try range(request).count == 1)
    }

    @Test("A27 an empty key and unknown sort options are refused")
    func badRequests() {
        #expect(throws: StoreError.emptyKey) { try range(RangeRequest("")) }
        var request = RangeRequest("a")
        request.sortOrder = 3
        #expect(throws: StoreError.invalidSortOption) { try range(request) }
        request.sortOrder = 0
        request.sortTarget = -1
        #expect(throws: StoreError.invalidSortOption) { try range(request) }
    }

    @Test("a deleted key is gone now and still there before")
    func deleted() {
        driver.delete("b")
        #expect(driver.keys(.everything) == ["a", "c"])
        #expect(driver.get("b", at: 5) == "9")
        #expect(driver.get("b", at: 3) == "2")
        #expect(driver.store.keyCount == 2)
    }

    @Test(
        "a range that begins outside /keelson/ never shows what is inside, and one inside is empty")
    func datacenterSpace() {
        driver.put("/keelson", "x")
        #expect(driver.keys(RangeRequest("/", to: "0")) == ["/keelson"])
        #expect(driver.keys(RangeRequest("/keelson/", to: "/keelson0")) == [])
        #expect(driver.keys(RangeRequest("/keelson/", to: "\0")) == [])
    }
}
