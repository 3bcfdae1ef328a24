import Primitives
import StateMachine
import Testing

@Suite("Put (etcd v3 API, KV.Put)")
struct PutTests {
    let driver = StoreDriver()

    @Test("an empty store is at revision 1 and its first put makes revision 2")
    func firstRevision() {
        #expect(driver.store.revision == Revision(1))
        let applied = driver.put("a", "1")
        #expect(applied.revision == Revision(2))
        #expect(driver.store.revision == Revision(2))
        #expect(applied.events.map(\.line) == ["a=1 2/2.0/1"])
    }

    @Test("an overwrite keeps the create revision and counts the version")
    func overwrite() {
        driver.put("a", "1")
        driver.put("b", "1")
        let applied = driver.put("a", "2")
        #expect(applied.events.map(\.line) == ["a=2 2/4.0/2"])
        #expect(driver.get("a", at: 2) == "1")
        #expect(driver.get("a", at: 3) == "1")
    }

    @Test("a put after a deletion starts at version 1 with a new create revision")
    func recreation() {
        driver.put("a", "1")
        driver.delete("a")
        #expect(driver.put("a", "2").events.map(\.line) == ["a=2 4/4.0/1"])
    }

    @Test("prev_kv returns the whole old pair, and nothing for a new or deleted key")
    func previous() {
        func previous(_ value: String) -> String? {
            let applied = driver.put(PutRequest("a", value, prevKV: true))
            guard case .put(let previous) = applied.outcome else { return "not a put" }
            return previous?.line
        }
        #expect(previous("1") == nil)
        #expect(previous("2") == "a=1 2/2.0/1")
        driver.delete("a")
        #expect(previous("3") == nil)
    }

    @Test("without prev_kv the old pair is not returned")
    func noPrevious() {
        driver.put("a", "1")
        guard case .put(let previous) = driver.put("a", "2").outcome else {
            Issue.record("not a put")
            return
        }
        #expect(previous == nil)
    }

    @Test("ignore_value keeps the value and ignore_lease the lease of the key")
    func ignoring() {
        driver.grant(7)
        driver.grant(8)
        driver.put("a", "1", lease: 7)
        #expect(
            driver.put(PutRequest("a", "", lease: 8, ignoreValue: true)).events.map(\.line)
                == ["a=1 2/3.0/2 lease 8"])
        #expect(
            driver.put(PutRequest("a", "2", ignoreLease: true)).events.map(\.line)
                == ["a=2 2/4.0/3 lease 8"])
        #expect(driver.store.leases.keys(of: 7).isEmpty)
        #expect(driver.store.leases.keys(of: 8) == [Bytes("a")])
    }

    @Test("ignore_value and ignore_lease on a missing key are refused")
    func ignoringMissing() {
        #expect(driver.put(PutRequest("a", "", ignoreValue: true)).error == .keyNotFound)
        #expect(driver.put(PutRequest("a", "1", ignoreLease: true)).error == .keyNotFound)
        driver.put("a", "1")
        driver.delete("a")
        #expect(driver.put(PutRequest("a", "", ignoreValue: true)).error == .keyNotFound)
        #expect(driver.store.revision == Revision(3))
    }

    @Test("an empty key, a value beside ignore_value and a lease beside ignore_lease are refused")
    func badRequests() {
        #expect(driver.put("", "1").error == .emptyKey)
        #expect(driver.put(PutRequest("a", "1", ignoreValue: true)).error == .valueProvided)
        #expect(
            driver.put(PutRequest("a", "1", lease: 1, ignoreLease: true)).error == .leaseProvided)
        #expect(driver.store.revision == Revision(1))
    }

    @Test("an unknown lease is refused and nothing changes")
    func unknownLease() {
        let applied = driver.put("a", "1", lease: 9)
        #expect(applied.error == .leaseNotFound)
        #expect(applied.events.isEmpty)
        #expect(driver.store.revision == Revision(1))
        #expect(driver.store.appliedIndex == LogIndex(1))
    }

    @Test("a key may hold any bytes, and an empty value is a value")
    func anyBytes() throws {
        var request = PutRequest()
        request.key = [0, 255, 0]
        driver.put(request)
        let found = try driver.store.range(RangeRequest(key: [0, 255, 0]))
        #expect(found.records.map(\.value) == [[]])
        #expect(found.count == 1)
    }

    @Test("keys under /keelson/ cannot be written by clients")
    func datacenterSpace() {
        #expect(driver.put("/keelson/", "x").error == .permissionDenied)
        #expect(driver.put("/keelson/agents/1", "x").error == .permissionDenied)
        #expect(driver.delete("/keelson/agents/1").error == .permissionDenied)
        #expect(
            driver.txn(TxnRequest(then: [.put(PutRequest("/keelson/a", "x"))])).error
                == .permissionDenied)
        #expect(driver.put("/keelson", "x").error == nil)
        #expect(driver.put("/keelsoo/", "x").error == nil)
    }
}
