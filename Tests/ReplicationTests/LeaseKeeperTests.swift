import Replication
import Testing

@Suite("The clock of leases (DESIGN §6)")
struct LeaseKeeperTests {
    @Test("leases end in the order of their times, a renewed one at its new time")
    func order() {
        var keeper = LeaseKeeper()
        keeper.start(1, endsAt: 30)
        keeper.start(2, endsAt: 10)
        keeper.start(3, endsAt: 20)
        keeper.start(2, endsAt: 40)
        #expect(keeper.takeExpired(at: 20, limit: 9) == [3])
        #expect(keeper.takeExpired(at: 39, limit: 9) == [1])
        #expect(keeper.takeExpired(at: 40, limit: 9) == [2])
        #expect(keeper.isExpiring(2))
        #expect(keeper.takeExpired(at: 99, limit: 9) == [])
    }

    @Test("what was taken and given back is due again, once")
    func givenBack() {
        var keeper = LeaseKeeper()
        keeper.start(1, endsAt: 10)
        #expect(keeper.takeExpired(at: 10, limit: 9) == [1])
        keeper.giveBack([1, 1, 2], at: 15)
        #expect(!keeper.isExpiring(1))
        #expect(keeper.takeExpired(at: 14, limit: 9) == [])
        #expect(keeper.takeExpired(at: 15, limit: 9) == [1])
        #expect(keeper.queueCount == 0)
    }

    @Test("an id that is granted anew has its new time only")
    func grantedAnew() {
        var keeper = LeaseKeeper()
        keeper.start(1, endsAt: 10)
        keeper.remove(1)
        keeper.start(1, endsAt: 30)
        #expect(keeper.takeExpired(at: 29, limit: 9) == [])
        #expect(keeper.queueCount == 1)
        #expect(keeper.takeExpired(at: 30, limit: 9) == [1])
    }

    @Test("leases that are gone do not pile up, and none that lives is lost")
    func bounded() {
        var keeper = LeaseKeeper()
        for id in 0..<100 { keeper.start(Int64(id), endsAt: 1000 + UInt64(id)) }
        for id in 100..<20_000 {
            keeper.start(Int64(id), endsAt: UInt64(id) * 100)
            keeper.remove(Int64(id))
            #expect(keeper.queueCount <= 2 * keeper.count + LeaseKeeper.goneMax)
        }
        #expect(keeper.takeExpired(at: .max, limit: 1000) == (0..<100).map { Int64($0) })
    }
}
