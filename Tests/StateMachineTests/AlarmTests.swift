import Primitives
import StateMachine
import Testing

@Suite("Alarms and membership (etcd v3 API, Maintenance.Alarm; DESIGN §6)")
struct AlarmTests {
    let driver = StoreDriver()

    @discardableResult
    func alarm(_ action: AlarmRequest.Action, _ kind: AlarmKind?, member: UInt64 = 1)
        -> [AlarmMember]
    {
        let request = AlarmRequest(action, member: NodeID(member), kind: kind)
        guard case .alarms(let found) = driver.apply(.alarm, request.encode()).outcome else {
            return []
        }
        return found
    }

    @Test("alarms are raised and lowered by member and kind, and listed by kind or all")
    func table() {
        let space = AlarmMember(member: NodeID(1), kind: .noSpace)
        let corrupt = AlarmMember(member: NodeID(2), kind: .corrupt)
        #expect(alarm(.activate, .noSpace) == [space])
        #expect(alarm(.activate, .noSpace) == [space])
        #expect(alarm(.activate, .corrupt, member: 2) == [corrupt])
        #expect(alarm(.get, nil) == [space, corrupt])
        #expect(alarm(.get, .corrupt) == [corrupt])
        #expect(alarm(.deactivate, .corrupt, member: 1) == [])
        #expect(alarm(.deactivate, .corrupt, member: 2) == [corrupt])
        #expect(alarm(.activate, nil) == [])
        #expect(alarm(.get, nil) == [space])
    }

    @Test("unknown actions and kinds answer nothing and change nothing")
    func unknown() {
        var request = AlarmRequest(.activate)
        request.alarm = 77
        #expect(driver.apply(.alarm, request.encode()).alarmsChanged == false)
        request.action = -1
        #expect(driver.apply(.alarm, request.encode()).error == nil)
        #expect(driver.store.alarms.raised.isEmpty)
    }

    @Test("A30 NOSPACE refuses puts, grants and transactions that put, and allows what frees")
    func noSpace() {
        driver.grant(1)
        driver.put("a", "1", lease: 1)
        alarm(.activate, .noSpace)
        #expect(driver.put("a", "2").error == .noSpace)
        #expect(driver.grant(2).error == .noSpace)
        #expect(driver.txn(TxnRequest(else: [.put(PutRequest("a", "2"))])).error == .noSpace)
        let nested = TxnRequest(then: [.txn(TxnRequest(then: [.put(PutRequest("a", "2"))]))])
        #expect(driver.txn(nested).error == .noSpace)
        let freeing = TxnRequest(then: [.deleteRange(DeleteRangeRequest("x"))])
        #expect(driver.txn(freeing).error == nil)
        #expect(driver.compact(2).error == nil)
        #expect(driver.revoke(1).error == nil)
        #expect(driver.delete("a").error == nil)
        alarm(.deactivate, .noSpace)
        #expect(driver.put("a", "2").error == nil)
    }

    @Test("CORRUPT refuses every write of a client, and can be lowered")
    func corrupt() {
        driver.grant(1)
        driver.put("a", "1")
        alarm(.activate, .corrupt)
        #expect(driver.put("a", "2").error == .corrupt)
        #expect(driver.delete("a").error == .corrupt)
        #expect(driver.txn(TxnRequest()).error == .corrupt)
        #expect(driver.compact(2).error == .corrupt)
        #expect(driver.grant(2).error == .corrupt)
        #expect(driver.revoke(1).error == .corrupt)
        alarm(.deactivate, .corrupt)
        #expect(driver.delete("a").error == nil)
    }

    @Test("members' attributes are kept by id, and a removed id is never taken again")
    func members() {
        let one = MemberAttributes(
            member: NodeID(9), name: "n1", clientURLs: ["http://a:1"], peerURLs: ["http://a:2"],
            version: "3.7.0")
        #expect(driver.apply(.memberAttributes, one.encode()).membershipChanged)
        var other = one
        other.member = NodeID(3)
        driver.apply(.memberAttributes, other.encode())
        #expect(driver.store.members.records.map(\.id) == [NodeID(3), NodeID(9)])
        #expect(driver.store.members[NodeID(9)]?.name == one.name)
        driver.apply(.memberRemoval, [9, 0, 0, 0, 0, 0, 0, 0])
        #expect(driver.store.members[NodeID(9)] == nil)
        #expect(driver.store.members.isRemoved(NodeID(9)))
        #expect(driver.apply(.memberAttributes, one.encode()).error == .memberNotFound)
        #expect(driver.store.revision == Revision(1))
    }
}
