import Primitives
import RaftCore
import Replication
import StateMachine
import Storage
import Testing

@Suite("When a checkpoint is due, and what of the log may go (DESIGN §5)")
struct CheckpointPlanTests {
    @Test("a log without room has a checkpoint made before its time, once")
    func urgent() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        for number in 0..<5 { _ = trio.put(leader, "k\(number)") }
        trio.tick(5)
        let replica = trio.replicas[leader]
        var plan = CheckpointPlan(loaded: nil, entriesMin: 1000)
        #expect(plan.consider(replica, mayFreeze: true) == nil)
        #expect(plan.consider(replica, mayFreeze: false, isUrgent: true) == nil)
        // It is frozen first, and given back to be written.
        #expect(plan.consider(replica, mayFreeze: true, isUrgent: true) == nil)
        let due = plan.consider(replica, mayFreeze: true, isUrgent: true)
        let frozen = try #require(due)
        #expect(frozen.header.index == replica.appliedIndex)
        plan.written(frozen.header)
        #expect(plan.consider(replica, mayFreeze: true, isUrgent: true) == nil)
        #expect(plan.consider(replica, mayFreeze: true, isUrgent: true) == nil)
    }

    @Test("what is applied and not durable here makes no checkpoint that waits for the log")
    func notDurable() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let follower = (leader + 1) % 3
        trio.withoutDisk = [follower]
        trio.step(follower, .storageFull(true))
        for number in 0..<5 { _ = trio.put(leader, "k\(number)") }
        trio.tick(5)
        let replica = trio.replicas[follower]
        #expect(replica.store.revision == Revision(6))
        #expect(replica.appliedIndex > replica.raft.durableIndex)
        var plan = CheckpointPlan(loaded: nil, entriesMin: 1000)
        for _ in 0..<3 { #expect(plan.consider(replica, mayFreeze: true, isUrgent: true) == nil) }
        // Nor is one kept for when the log has come so far.
        #expect(plan.consider(trio.replicas[leader], mayFreeze: false) == nil)
    }

    @Test("the log goes behind the checkpoint before the newest, and in need all of it there")
    func release() {
        let plan = CheckpointPlan(
            loaded: CheckpointHeader(index: LogIndex(90), term: Term(1), configuration: []),
            entriesMin: 10, catchUpEntries: 20)
        var previous = CheckpointHeader(index: LogIndex(50), term: Term(1), configuration: [])
        #expect(plan.releasable(behind: nil, isUrgent: true) == nil)
        #expect(plan.releasable(behind: previous) == LogIndex(30))
        #expect(plan.releasable(behind: previous, isUrgent: true) == LogIndex(50))
        previous = CheckpointHeader(index: LogIndex(20), term: Term(1), configuration: [])
        #expect(plan.releasable(behind: previous) == nil)
    }

    @Test("a snapshot that came too late is no base for what is written later")
    func snapshotThatWasNotTaken() throws {
        let disk = MemoryFileSystem(seed: 1)
        try disk.makeDirectory("/checkpoints")
        let checkpoints = try CheckpointStore.open(
            disk, directory: "/checkpoints", clusterID: ClusterID(1),
            memberID: NodeID(1))
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        var plan = CheckpointPlan(loaded: nil, entriesMin: 1)
        func write() throws -> [Row] {
            _ = trio.put(leader, "k")
            trio.tick(5)
            _ = plan.consider(trio.replicas[leader], mayFreeze: true)
            let due = plan.consider(trio.replicas[leader], mayFreeze: true)
            let frozen = try #require(due)
            plan.written(try checkpoints.write(frozen))
            return frozen.store.rows().map(Row.init)
        }
        _ = try write()
        _ = try write()
        // Of the same state, with a row that this store does not divide its records by.
        let other = Row(table: StoreTable.client.rawValue, key: [9], value: [9])
        let index = trio.replicas[leader].appliedIndex
        try checkpoints.write(
            CheckpointHeader(index: index, term: Term(1), configuration: []), upserts: [other],
            deletes: [], replacingAll: true)
        for _ in 0..<3 {
            let rows = try write()
            var read: [Row] = []
            try checkpoints.load(try #require(checkpoints.newest)) { read.append($0) }
            #expect(read.map(\.key) == rows.map(\.key))
        }
    }

    @Test("where there is one checkpoint only the next is due at the first entry")
    func alone() {
        let header = CheckpointHeader(index: LogIndex(50), term: Term(1), configuration: [])
        func isDue(_ plan: CheckpointPlan) -> Bool {
            plan.isDue(applied: LogIndex(51), durable: LogIndex(51), mayFreeze: true)
        }
        var plan = CheckpointPlan(loaded: header, previous: header, entriesMin: 1000)
        #expect(!isDue(plan))
        plan.installed(header)
        #expect(isDue(plan))
        plan.written(header)
        #expect(!isDue(plan))
        #expect(isDue(CheckpointPlan(loaded: header, entriesMin: 1000)))
    }

    @Test("a full member serves linearizable reads of what was written since")
    func readsOnFullMember() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let follower = (leader + 1) % 3
        trio.withoutDisk = [follower]
        trio.step(follower, .storageFull(true))
        for number in 0..<600 {
            _ = trio.put(leader, "k\(number)")
            trio.deliver()
        }
        trio.tick(3)
        let read = trio.read(follower)
        trio.tick(3)
        #expect(trio.reads[follower][read] == .some(nil))
        #expect(trio.count(of: "k599", at: follower) == 1)
    }
}

@Suite("What a node does while its disk is full (DESIGN §5)")
struct SpaceShortageTests {
    private let cause = StorageError.outOfSpace(operation: "write", path: "/a", bytesNeeded: 1)
    private let settings = ReplicaSettings(
        raft: RaftSettings(id: NodeID(1), seed: 1, electionTicks: 30), clusterID: ClusterID(1),
        boot: BootNumber(1), ticksPerSecond: 10)

    /// The ticks at which something is due, of the next `count`.
    private func run(
        _ shortage: inout SpaceShortage, _ count: Int, isTransferring: (Int) -> Bool
    ) -> (leaves: [Int], retries: [Int]) {
        var leaves: [Int] = []
        var retries: [Int] = []
        for tick in 1...count {
            let due = shortage.tick(isTransferring: isTransferring(tick))
            if case .storageFull(true) = due.input { leaves.append(tick) }
            if due.retries { retries.append(tick) }
        }
        return (leaves, retries)
    }

    @Test("a follower leaves at once, and room is looked for every second, until there is some")
    func follower() {
        var shortage = SpaceShortage()
        #expect(run(&shortage, 50) { _ in false } == ([], []))
        _ = shortage.began(cause, settings)
        #expect(shortage.cause == cause)
        #expect(run(&shortage, 35) { _ in false } == ([1], [10, 20, 30]))
        _ = shortage.ended()
        #expect(shortage.cause == nil)
        #expect(run(&shortage, 35) { _ in false } == ([], []))
    }

    @Test("a leader leaves when it has handed over, after an election timeout at the latest")
    func leader() {
        var shortage = SpaceShortage()
        if case .transferLeadership(nil) = shortage.began(cause, settings) {
        } else {
            Issue.record("no transfer")
        }
        #expect(run(&shortage, 40) { $0 < 5 }.leaves == [5])
        _ = shortage.ended()
        _ = shortage.began(cause, settings)
        #expect(run(&shortage, 40) { _ in true }.leaves == [31])
    }
}
