import Primitives
import StateMachine
import Testing

@Suite("Calls in queues: what becomes of each")
final class QueuedCallsTests {
    private let driver = StoreDriver()
    private var calls = QueuedCalls()
    private var entries: [Int64: QueueEntry] = [:]

    init() { for lease in Int64(1)...3 { driver.grant(lease) } }

    private func enter(
        _ lease: Int64, of principal: Principal = .anonymous, isOpen: Bool = true
    ) throws -> (id: QueueCallID, effects: [QueueEffect]) {
        let applied = driver.apply(.txn, QueueEntry.entrance(bytes("m"), lease: lease, value: []))
        let entry = try #require(QueueEntry(bytes("m"), lease: lease, value: [], applied))
        entries[lease] = entry
        let id = calls.nextID()
        return (
            id, calls.entered(id, entry, of: principal, isOpen: isOpen, in: driver.store)
        )
    }

    private func revoke(_ lease: Int64) -> [QueueEffect] {
        calls.applied([driver.revoke(lease)], in: driver.store)
    }

    private func leaves(_ lease: Int64) throws -> QueueEffect {
        .leave(try #require(entries[lease]), as: .node)
    }

    @Test("the first holds at once, the next one after a linearizable read")
    func order() throws {
        let first = try enter(1)
        #expect(first.effects == [.holds(first.id, hasWaited: false)])
        let second = try enter(2)
        #expect(second.effects.isEmpty && calls.waiterCount == 1)
        #expect(revoke(1) == [.read(second.id)])
        #expect(
            calls.read(second.id, in: driver.store) == [.holds(second.id, hasWaited: true)])
        // It is over: nothing is said twice.
        #expect(calls.read(second.id, in: driver.store).isEmpty)
        #expect(calls.cancelled(second.id).isEmpty)
    }

    @Test("whoever has gone before its entry was there takes no place")
    func goneBefore() throws {
        _ = try enter(1)
        #expect(try enter(2, isOpen: false).effects == [leaves(2)])
        #expect(calls.waiterCount == 0)
    }

    @Test("whoever goes while it waits leaves at once, and is told nothing")
    func cancelledInQueue() throws {
        _ = try enter(1)
        let second = try enter(2)
        #expect(try calls.cancelled(second.id) == [leaves(2)])
        #expect(revoke(1).isEmpty)
    }

    @Test("whoever goes while its turn is confirmed leaves with the read, and never holds")
    func cancelledInRead() throws {
        _ = try enter(1)
        let second = try enter(2)
        #expect(revoke(1) == [.read(second.id)])
        #expect(calls.cancelled(second.id).isEmpty)
        #expect(try calls.read(second.id, in: driver.store) == [leaves(2)])
    }

    @Test("a turn that no read confirms is given up")
    func readFailed() throws {
        _ = try enter(1)
        let second = try enter(2)
        #expect(revoke(1) == [.read(second.id)])
        #expect(try calls.readFailed(second.id) == [leaves(2)])
    }

    @Test("an entry that went between its turn and the read is gone, not held (B19)")
    func goneInRead() throws {
        _ = try enter(1)
        let second = try enter(2)
        #expect(revoke(1) == [.read(second.id)])
        #expect(revoke(2).isEmpty)
        #expect(calls.read(second.id, in: driver.store) == [.gone(second.id)])
    }

    @Test("a waiter whose lease ends is told that its place is gone, and need not leave")
    func goneInQueue() throws {
        _ = try enter(1)
        let second = try enter(2)
        #expect(revoke(2) == [.gone(second.id)])
        #expect(calls.waiterCount == 0)
    }

    @Test("another store, as after a snapshot, is looked at as a whole, and read behind")
    func replaced() throws {
        _ = try enter(1)
        let (second, third) = (try enter(2), try enter(3))
        driver.revoke(1)
        driver.revoke(2)
        #expect(
            calls.storeReplaced(by: driver.store) == [.gone(second.id), .read(third.id)])
    }
}
