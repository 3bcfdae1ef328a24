import Primitives
import RaftCore
import Replication
import StateMachine
import Storage
import Testing

@Suite("A cluster whose members are of several builds (decision 0009)")
struct LevelTests {
    private func trio(_ known: [FeatureLevel] = [.newest, .newest, .newest]) -> Trio {
        var trio = Trio(known: known) {
            $0.initialMembers = Trio.ids.map {
                MemberAttributes(
                    member: $0, name: "n\($0)", clientURLs: [], peerURLs: ["http://\($0)"],
                    version: "")
            }
        }
        trio.elect()
        trio.tick(5)
        return trio
    }

    private func publish(_ trio: inout Trio, _ node: Int, _ level: FeatureLevel, boot: UInt64 = 1) {
        let id = Trio.ids[node]
        _ = trio.propose(
            node, .memberAttributes,
            body: MemberAttributes(
                member: id, name: "n\(id)", clientURLs: [], peerURLs: ["http://\(id)"],
                version: "3.7.0", boot: BootNumber(boot), nonce: 1, level: level
            ).encode())
        trio.tick(4)
    }

    private let newest = FeatureLevel.newest.rawValue

    private func levels(_ trio: Trio) -> [UInt16] {
        trio.replicas.map { $0.store.members.clusterLevel.rawValue }
    }

    /// The versions of the headers in a member's log.
    private func versions(_ trio: Trio, _ node: Int) -> [UInt8] {
        trio.onDisk[node].filter { $0.kind == .command }.compactMap(\.payload.first)
    }

    @Test(
        "the leader raises the level behind the last announcement, and entries tell the time"
    )
    func rises() throws {
        var trio = trio()
        let leader = try #require(trio.leader)
        publish(&trio, leader, .newest)
        publish(&trio, (leader + 1) % 3, .newest)
        publish(&trio, (leader + 2) % 3, .first)
        trio.tick(20)
        #expect(levels(trio) == [1, 1, 1])
        #expect(trio.replicas.allSatisfy { $0.store.clusterTime == 0 })
        #expect(Set(versions(trio, leader)) == [1])
        publish(&trio, (leader + 2) % 3, .newest, boot: 2)
        #expect(levels(trio) == [newest, newest, newest])
        for node in 0..<3 {
            _ = trio.put(node, "k\(node)")
            trio.deliver()
            trio.tick(4)
            #expect(versions(trio, leader).last == 2)
        }
        #expect(Set(trio.replicas.map(\.store.digest.value)).count == 1)
    }

    /// As all members have it in common.
    private func time(_ trio: Trio) throws -> UInt64 {
        let times = Set(trio.replicas.map(\.store.clusterTime))
        #expect(times.count == 1)
        return try #require(times.first)
    }

    @Test(
        "the cluster's time passes with a leader's ticks, whatever its clock says"
    )
    func clusterTime() throws {
        var trio = trio()
        for node in 0..<3 { publish(&trio, node, .newest) }
        trio.tick(4)
        _ = trio.put(0, "first")
        trio.tick(4)
        let first = try time(trio)
        trio.clock = 1_700_000_000_000
        trio.tick(50)
        trio.clock = 1000
        _ = trio.put(1, "later")
        trio.tick(4)
        // 50 ticks, and those 4 that the first put took to be applied everywhere.
        #expect(try time(trio) - first == 5400)
    }

    @Test("the next leader goes on from where the last one left the cluster's time")
    func timeOutlivesLeaders() throws {
        var trio = trio()
        for node in 0..<3 { publish(&trio, node, .newest) }
        let old = try #require(trio.leader)
        trio.tick(100)
        _ = trio.put(old, "old")
        trio.tick(4)
        let left = try time(trio)
        #expect(left >= 10_000)
        // What the old leader goes on counting alone is nobody's.
        trio.cutOff = [old]
        trio.tick(200)
        let next = try #require(trio.leader)
        #expect(next != old)
        let taken = try #require(trio.replicas[next].leadersTime)
        #expect(taken >= left && taken <= left + 20_000)
        trio.cutOff = []
        trio.tick(10)
        #expect(trio.replicas[old].leadersTime == nil)
        let leader = try #require(trio.leader)
        let stamped = try #require(trio.replicas[leader].leadersTime)
        #expect(stamped >= taken)
        _ = trio.put(leader, "new")
        trio.tick(4)
        // It is taken with the next tick.
        #expect(try time(trio) == stamped + 100)
    }

    @Test("a leader that goes in the middle of a rise leaves it to the next, once")
    func leaderGoes() throws {
        var other = self.trio()
        let leader = try #require(other.leader)
        for node in 0..<3 where node != leader { publish(&other, node, .newest) }
        _ = other.propose(
            leader, .memberAttributes,
            body: MemberAttributes(
                member: Trio.ids[leader], name: "n", clientURLs: [], peerURLs: [],
                version: "3.7.0", boot: BootNumber(1), nonce: 1, level: .newest
            ).encode())
        other.deliver()
        other.losesAppends = true
        other.tick(2)
        #expect(levels(other) == [1, 1, 1])
        let raises = other.onDisk.map { log in
            log.count { Command.kind(of: $0.payload) == .clusterLevel }
        }
        #expect(raises[leader] == 1 && raises.reduce(0, +) == 1)
        other.losesAppends = false
        other.cutOff = [leader]
        for _ in 0..<200 where other.leader == leader { other.tick() }
        other.tick(20)
        other.cutOff = []
        other.tick(40)
        #expect(levels(other) == [newest, newest, newest])
        #expect(Set(other.replicas.map(\.store.digest.value)).count == 1)
    }

    @Test("a member that is added while the level rises, and has said nothing, keeps it down")
    func added() throws {
        var trio = trio()
        let leader = try #require(trio.leader)
        for node in 0..<3 where node != leader { publish(&trio, node, .newest) }
        // Both are on their way before the leader has applied either.
        _ = trio.propose(
            leader, .memberAttributes,
            body: MemberAttributes(
                member: Trio.ids[leader], name: "n", clientURLs: [], peerURLs: [],
                version: "3.7.0", boot: BootNumber(1), nonce: 1, level: .newest
            ).encode())
        let added = trio.propose(
            (leader + 1) % 3, .memberAddition,
            body: MemberCommand.addition(as: .learner, peerURLs: ["http://new"]))
        trio.tick(40)
        guard case .applied = trio.outcomes[(leader + 1) % 3][added] else {
            Issue.record("not added")
            return
        }
        let digests = Set(trio.replicas.map(\.store.digest.value))
        #expect(digests.count == 1 && Set(levels(trio)).count == 1)
        let isNew = trio.replicas[0].store.members.levelOfAll == .unannounced
        #expect(isNew)
    }

    @Test("an older build that said that it is newer stops at the rise, with the numbers")
    func olderMember() throws {
        var trio = trio([.newest, .newest, .first])
        if trio.leader == 2 {
            trio.step(2, .transferLeadership(to: Trio.ids[0]))
            trio.tick(30)
        }
        for node in 0..<3 { publish(&trio, node, .newest) }
        trio.tick(60)
        let halt = try #require(trio.halts[2])
        guard case .unknownCommand(let index, let error, let known) = halt else {
            Issue.record("\(halt)")
            return
        }
        #expect(error == .unknownLevel(.newest, known: .first) && known == .first)
        #expect(trio.replicas[2].appliedIndex == LogIndex(index.rawValue - 1))
        #expect("\(halt)".contains("log entry \(index)"))
        #expect("\(halt)".contains("level \(FeatureLevel.newest)"))
        #expect(trio.halts[0] == nil && trio.halts[1] == nil)
        // The two others go on.
        for _ in 0..<200 where trio.leader == nil || trio.leader == 2 { trio.tick() }
        #expect(levels(trio) == [newest, newest, 1])
        let leader = try #require(trio.leader)
        let sequence = trio.put(leader, "a")
        trio.tick(3)
        guard case .applied = trio.outcomes[leader][sequence] else {
            Issue.record("no write")
            return
        }
    }

    // MARK: Data directories

    private func command(_ index: UInt64, _ kind: CommandKind, _ body: [UInt8], time: UInt64?)
        -> LogEntry
    {
        var header = CommandHeader(
            kind: kind,
            request: RequestID(origin: NodeID(2), boot: BootNumber(1), sequence: index))
        header.clusterTime = time
        return LogEntry(
            index: LogIndex(index), term: Term(1), kind: .command,
            payload: Command.encode(header, body: body))
    }

    @Test("a log that needs more than the build knows is refused with the numbers, and kept")
    func log() throws {
        let raise = ClusterLevelCommand.encode(.newest)
        let cases: [(LogEntry, StoreError)] = [
            (command(2, .put, [10, 1, 97], time: 5), .unknownCommand(version: 2, kind: 1)),
            (command(2, .downgrade, [2], time: nil), .unknownCommand(version: 1, kind: 18)),
            (command(2, .clusterLevel, raise, time: nil), .unknownLevel(.newest, known: .first)),
        ]
        for (entry, error) in cases {
            let disk = Disk()
            var storage = try disk.open(known: .first)
            try Disk.append([Disk.entry(1), entry], to: &storage)
            for _ in 0..<2 {
                #expect(throws: NewerData.entry(LogIndex(2), error, known: .first)) {
                    _ = try disk.open(known: .first)
                }
            }
            #expect(try disk.open().restored.lastIndex == LogIndex(2))
        }
    }

    @Test("so is a checkpoint, which is not taken for a damaged one")
    func checkpoint() throws {
        let disk = Disk()
        let storage = try disk.open()
        try Disk.checkpoint(1, term: 1, in: storage)
        let store = Store()
        _ = store.apply(Disk.entry(1))
        let attributes = MemberAttributes(
            member: NodeID(1), name: "n", clientURLs: [], peerURLs: [], version: "1",
            level: .newest)
        _ = store.apply(command(2, .memberAttributes, attributes.encode(), time: nil))
        _ = store.apply(
            command(3, .clusterLevel, ClusterLevelCommand.encode(.newest), time: nil))
        _ = store.apply(command(4, .alarm, [], time: 77))
        try storage.checkpoints.write(
            CheckpointHeader(
                index: LogIndex(4), term: Term(1),
                configuration: ClusterConfiguration(voters: Disk.voters).encode()),
            upserts: store.freeze().rows().lazy.map(Row.init), deletes: [], replacingAll: true)
        var said = ""
        for _ in 0..<2 {
            do {
                _ = try disk.open(known: .first)
                Issue.record("it opened")
            } catch let error as NewerData {
                let format = UInt32(newest) + 4
                #expect(error == .checkpoint(LogIndex(4), format: format, known: .first))
                said = error.description
            }
        }
        #expect(said.contains("format \(newest + 4)") && said.contains("format 5"))
        #expect(said.contains("level 1"))
        let opened = try disk.open()
        #expect(opened.store.members.clusterLevel == .newest && opened.store.clusterTime == 77)
        #expect(opened.store.known == .newest)
    }

    @Test("a checkpoint from before the rise and the log behind it lead to the same state")
    func replay() throws {
        let disk = Disk()
        var storage = try disk.open(known: .newest)
        let attributes = MemberAttributes(
            member: NodeID(1), name: "n", clientURLs: [], peerURLs: [], version: "1",
            level: .newest)
        let entries = [
            Disk.entry(1), command(2, .memberAttributes, attributes.encode(), time: nil),
            command(3, .clusterLevel, ClusterLevelCommand.encode(.newest), time: nil),
            command(4, .put, [10, 1, 97], time: 5),
        ]
        try Disk.append(entries, to: &storage)
        try Disk.checkpoint(1, term: 1, in: storage)
        let opened = try disk.open()
        #expect(opened.store.appliedIndex == LogIndex(1))
        #expect(opened.store.members.clusterLevel == .first)
        let whole = Store()
        for entry in entries { _ = whole.apply(entry) }
        for entry in opened.restored.recentEntries { _ = opened.store.apply(entry) }
        #expect(opened.store.digest == whole.digest && opened.store.clusterTime == 5)
        #expect(opened.store.members == whole.members)
    }
}
