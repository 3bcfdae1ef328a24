import Primitives
import StateMachine
import Testing

@Suite("Queues of keys: locks and elections")
struct KeyQueueTests {
    /// A store with clients in the queue "m", and those who wait.
    private final class Queue {
        let driver = StoreDriver()
        var queue = KeyQueue()
        var entries: [Int64: QueueEntry] = [:]
        var waiters: [QueueWaiterID: Int64] = [:]
        /// Who was told what, in order.
        var told: [String] = []

        func grant(_ leases: Int64...) { for lease in leases { driver.grant(lease) } }

        func enter(_ lease: Int64, value: String = "") throws -> QueueEntry {
            let applied = driver.apply(
                .txn, QueueEntry.entrance(bytes("m"), lease: lease, value: bytes(value)))
            let entry = try #require(
                QueueEntry(bytes("m"), lease: lease, value: bytes(value), applied))
            entries[lease] = entry
            return entry
        }

        func wait(_ lease: Int64) throws {
            switch queue.wait(for: try enter(lease), in: driver.store) {
            case .over(let turn): told.append("\(lease) \(turn.name)")
            case .waits(let id): waiters[id] = lease
            }
        }

        func tell(_ applied: Applied) { tell(queue.applied([applied], in: driver.store)) }

        func tell(_ turns: [(waiter: QueueWaiterID, turn: QueueTurn)]) {
            for (waiter, turn) in turns { told.append("\(waiters[waiter] ?? 0) \(turn.name)") }
        }

        func leave(_ lease: Int64) throws {
            let entry = try #require(entries[lease])
            tell(
                driver.apply(
                    .txn, QueueEntry.departure(entry.key, created: entry.createRevision)))
        }
    }

    @Test("the first has it at once; each of the others when the one before it is gone")
    func order() throws {
        let queue = Queue()
        queue.grant(1, 2, 3)
        for lease in Int64(1)...3 { try queue.wait(lease) }
        #expect(queue.told == ["1 holds"])
        #expect(queue.queue.count == 2)
        queue.tell(queue.driver.delete("other"))
        try queue.leave(1)
        #expect(queue.told == ["1 holds", "2 first"])
        queue.tell(queue.driver.revoke(2))
        #expect(queue.told == ["1 holds", "2 first", "3 first"])
        #expect(queue.queue.count == 0)
    }

    @Test("who waits is not passed over when one behind it, or one in the middle, goes")
    func middle() throws {
        let queue = Queue()
        queue.grant(1, 2, 3, 4)
        for lease in Int64(1)...4 { try queue.wait(lease) }
        queue.tell(queue.driver.revoke(2))
        queue.tell(queue.driver.revoke(4))
        #expect(queue.told == ["1 holds", "2 gone", "4 gone"])
        try queue.leave(1)
        #expect(queue.told.last == "3 first")
    }

    @Test("a waiter whose lease ended is told so, never that it holds (B19)")
    func ended() throws {
        let queue = Queue()
        queue.grant(1, 2)
        for lease in Int64(1)...2 { try queue.wait(lease) }
        // Both in one batch: the lease, and the key that it waited for.
        let batch = [queue.driver.revoke(2), queue.driver.revoke(1)]
        queue.tell(queue.queue.applied(batch, in: queue.driver.store))
        #expect(queue.told == ["1 holds", "2 gone"])
        let late = try #require(queue.entries[1])
        let again = queue.queue.wait(for: late, in: queue.driver.store)
        #expect(again == .over(.gone))
        #expect(try !queue.driver.store.confirms(late, of: .anonymous))
    }

    @Test("whoever gives up is told nothing more, and its key can be deleted only once")
    func givenUp() throws {
        let queue = Queue()
        queue.grant(1, 2)
        for lease in Int64(1)...2 { try queue.wait(lease) }
        for id in queue.waiters.keys { queue.queue.cancel(id) }
        try queue.leave(2)
        #expect(queue.driver.get("m/2") == nil)
        // The same name again, of a later call: an old departure does not touch it.
        let old = try #require(queue.entries[2])
        _ = try queue.enter(2)
        queue.driver.apply(.txn, QueueEntry.departure(old.key, created: old.createRevision))
        #expect(queue.driver.get("m/2") == "")
        try queue.leave(1)
        #expect(queue.told == ["1 holds"])
    }

    @Test("another store, as after a snapshot, is looked at as a whole")
    func replaced() throws {
        let queue = Queue()
        queue.grant(1, 2, 3)
        for lease in Int64(1)...3 { try queue.wait(lease) }
        queue.driver.revoke(1)
        queue.driver.revoke(2)
        queue.tell(queue.queue.storeReplaced(by: queue.driver.store))
        #expect(queue.told == ["1 holds", "2 gone", "3 first"])
    }

    @Test("an earlier call's key is found, with its value and its place")
    func found() throws {
        let queue = Queue()
        queue.grant(1)
        let first = try queue.enter(1, value: "a")
        let again = try queue.enter(1, value: "b")
        #expect(first.isOwn && !again.isOwn)
        #expect(again.createRevision == first.createRevision)
        #expect(again.value == bytes("a"))
    }

    @Test("whose permission was taken while it waited is refused when its turn comes (A08)")
    func judgedAgain() throws {
        let queue = Queue()
        let driver = queue.driver
        queue.grant(1)
        let entry = try queue.enter(1)
        driver.enableAuth()
        driver.addUser(
            "u",
            [KeyPermission(kind: .readWrite, key: bytes("m/"), rangeEnd: bytes("m0"))])
        driver.addUser(
            "w", [KeyPermission(kind: .write, key: bytes("m/"), rangeEnd: bytes("m0"))])
        driver.addUser(
            "r", [KeyPermission(kind: .read, key: bytes("m/"), rangeEnd: bytes("m0"))])
        #expect(try driver.store.confirms(entry, of: driver.principal("u")))
        for name in ["w", "r"] {
            #expect(throws: StoreError.permissionDenied) {
                try driver.store.confirms(entry, of: driver.principal(name))
            }
        }
        #expect(throws: StoreError.userNameEmpty) {
            try driver.store.confirms(entry, of: .anonymous)
        }
    }
}

extension QueueTurn {
    fileprivate var name: String {
        switch self {
        case .first(isConfirmed: true): "holds"
        case .first(isConfirmed: false): "first"
        case .gone: "gone"
        }
    }
}
