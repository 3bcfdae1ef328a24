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
        #expect(keeper.takeDue(at: 20, limit: 9).ended == [3])
        #expect(keeper.takeDue(at: 39, limit: 9).ended == [1])
        #expect(keeper.takeDue(at: 40, limit: 9).ended == [2])
        #expect(keeper.isExpiring(2))
        #expect(keeper.takeDue(at: 99, limit: 9).ended == [])
    }

    @Test("what was taken and given back is due again, once")
    func givenBack() {
        var keeper = LeaseKeeper()
        keeper.start(1, endsAt: 10)
        #expect(keeper.takeDue(at: 10, limit: 9).ended == [1])
        keeper.giveBack([1, 1, 2], at: 15)
        #expect(!keeper.isExpiring(1))
        #expect(keeper.takeDue(at: 14, limit: 9).ended == [])
        #expect(keeper.takeDue(at: 15, limit: 9).ended == [1])
        #expect(keeper.queueCount == 0)
    }

    @Test("an id that is granted anew has its new time only")
    func grantedAnew() {
        var keeper = LeaseKeeper()
        keeper.start(1, endsAt: 10)
        keeper.remove(1)
        keeper.start(1, endsAt: 30)
        #expect(keeper.takeDue(at: 29, limit: 9).ended == [])
        #expect(keeper.queueCount == 1)
        #expect(keeper.takeDue(at: 30, limit: 9).ended == [1])
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
        #expect(keeper.takeDue(at: .max, limit: 1000).ended == (0..<100).map { Int64($0) })
    }

    @Test("what remains is due again and again, and later where the lease is renewed")
    func checkpoints() {
        var keeper = LeaseKeeper()
        keeper.start(1, endsAt: 100, now: 0, checkpointEvery: 40)
        keeper.start(2, endsAt: 100, now: 0, checkpointEvery: 40)
        #expect(keeper.takeDue(at: 39, limit: 9) == LeaseKeeper.Due())
        keeper.start(2, endsAt: 139, now: 39, checkpointEvery: 40)
        #expect(keeper.takeDue(at: 41, limit: 9) == LeaseKeeper.Due(ended: [], toCheckpoint: [1]))
        #expect(keeper.takeDue(at: 79, limit: 9).toCheckpoint == [2])
        #expect(keeper.takeDue(at: 81, limit: 9).toCheckpoint == [1])
        #expect(keeper.takeDue(at: 100, limit: 9) == LeaseKeeper.Due(ended: [1], toCheckpoint: []))
        #expect(keeper.takeDue(at: 139, limit: 1) == LeaseKeeper.Due(ended: [2], toCheckpoint: []))
        #expect(keeper.queueCount == 0)
    }
}
