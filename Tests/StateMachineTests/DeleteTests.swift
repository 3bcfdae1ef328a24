import Primitives
import StateMachine
import Testing

@Suite("Delete (etcd v3 API, KV.DeleteRange)")
struct DeleteTests {
    let driver = StoreDriver()

    @Test("deleting nothing deletes 0 and makes no revision")
    func nothing() {
        let applied = driver.delete("a", to: "z")
        guard case .deleteRange(0, let previous) = applied.outcome else {
            Issue.record("\(applied.outcome)")
            return
        }
        #expect(previous.isEmpty && applied.events.isEmpty)
        #expect(applied.revision == Revision(1))
    }

    @Test("a range is deleted in key order in one revision")
    func range() {
        for key in ["c", "a", "b", "d"] { driver.put(key, key) }
        let applied = driver.delete("a", to: "d", prevKV: true)
        guard case .deleteRange(3, let previous) = applied.outcome else {
            Issue.record("\(applied.outcome)")
            return
        }
        #expect(previous.map(\.line) == ["a=a 3/3.0/1", "b=b 4/4.0/1", "c=c 2/2.0/1"])
        #expect(
            applied.events.map(\.line) == ["a deleted 6.0", "b deleted 6.1", "c deleted 6.2"])
        #expect(driver.keys(.everything) == ["d"])
    }

    @Test("a second deletion of the same key changes nothing")
    func twice() {
        driver.put("a", "1")
        driver.delete("a")
        #expect(driver.delete("a").revision == Revision(3))
    }

    @Test("an empty key is refused")
    func emptyKey() { #expect(driver.delete("").error == .emptyKey) }

    @Test("a deletion's event carries key and mod revision only")
    func event() throws {
        driver.grant(5)
        driver.put("a", "1", lease: 5)
        let event = try #require(driver.delete("a").events.first)
        #expect(event.isTombstone && event.lease == 0 && event.version == 0)
        #expect(event.createRevision == 0 && event.value.isEmpty)
        #expect(driver.store.previous(of: event)?.line == "a=1 2/2.0/1 lease 5")
        #expect(driver.store.leases.keys(of: 5).isEmpty)
    }
}
