import Primitives
import RaftCore
import Replication
import StateMachine
import Storage
import Testing

@Suite("What one message, one entry and one follower may cost")
struct LimitTests {
    private static func follower(
        _ change: (inout ReplicaSettings) -> Void = { _ in }
    ) -> Replica {
        var settings = ReplicaSettings(
            raft: RaftSettings(id: NodeID(1), seed: 1), clusterID: ClusterID(1),
            boot: BootNumber(1), ticksPerSecond: 10)
        change(&settings)
        return Replica(
            settings: settings,
            restored: .fresh(ClusterConfiguration(voters: [NodeID(1), NodeID(2), NodeID(3)])),
            store: Store())
    }

    private static func hearLeader(_ replica: inout Replica) -> [ReplicaEffect] {
        var effects: [ReplicaEffect] = []
        let beat = Heartbeat(context: 1, leaderCommit: .zero, leaderCommitTerm: .zero)
        replica.step(
            .received(.raft(Message(term: Term(1), body: .heartbeat(beat))), from: NodeID(2)),
            into: &effects)
        replica.flush(into: &effects)
        return effects
    }

    private static func bytes(_ message: PeerMessage) -> [UInt8] {
        var writer = ByteWriter()
        message.encode(into: &writer)
        return writer.bytes
    }

    @Test("what waited for a leader goes to it in messages that it takes, in order")
    func forwardsAreSplit() throws {
        var replica = Self.follower()
        var effects: [ReplicaEffect] = []
        var sequences: [UInt64] = []
        for number in 0..<70_000 {
            let sequence = replica.nextSequence()
            sequences.append(sequence)
            let body = [UInt8](repeating: 1, count: number % 10_000 == 0 ? 3 << 20 : 8)
            replica.propose(.put, proposedID: 0, body: body, sequence: sequence, into: &effects)
        }
        replica.flush(into: &effects)
        var forwarded: [UInt64] = []
        for effect in Self.hearLeader(&replica) {
            guard case .send(.forward(let term, let commands), _) = effect else { continue }
            let bytes = Self.bytes(.forward(term, commands))
            #expect(bytes.count <= 5 << 20)
            var reader = ByteReader(bytes)
            _ = try PeerMessage.decode(from: &reader)
            forwarded += commands.compactMap { Command.requestID(of: $0)?.sequence }
        }
        #expect(forwarded == sequences)
    }

    @Test("questions about leases go in messages that the leader takes")
    func questionsAreSplit() throws {
        var replica = Self.follower()
        var effects: [ReplicaEffect] = []
        _ = Self.hearLeader(&replica)
        for number in 0..<70_000 {
            let sequence = replica.nextSequence()
            replica.renewLease(Int64(number), sequence: sequence, into: &effects)
        }
        replica.flush(into: &effects)
        var asked = 0
        for case .send(let message, _) in effects {
            guard case .leaseRenew(let questions) = message else { continue }
            var reader = ByteReader(Self.bytes(message))
            _ = try PeerMessage.decode(from: &reader)
            asked += questions.count
        }
        #expect(asked == 70_000)
    }

    @Test("a command that no log could store is refused before it is proposed, here")
    func largeCommand() {
        var replica = Self.follower { $0.entryBytesMax = 1000 }
        var effects: [ReplicaEffect] = []
        let sequence = replica.nextSequence()
        replica.propose(
            .put, proposedID: 0, body: [UInt8](repeating: 0, count: 1001), sequence: sequence,
            into: &effects)
        guard case .answer(sequence, .refused(.requestTooLarge)) = effects.first else {
            Issue.record("\(effects)")
            return
        }
        #expect(replica.pendingRequests == 0)
    }

    @Test("and a leader does not take one that another member forwarded")
    func largeForward() throws {
        var trio = Trio { $0.entryBytesMax = 200 }
        trio.elect()
        let leader = try #require(trio.leader)
        let origin = Trio.ids[(leader + 1) % 3]
        func command(_ sequence: UInt64, _ count: Int) -> [UInt8] {
            let request = RequestID(origin: origin, boot: BootNumber(1), sequence: sequence)
            return Command.encode(
                CommandHeader(kind: .put, request: request),
                body: [UInt8](repeating: 0, count: count))
        }
        var effects: [ReplicaEffect] = []
        let last = trio.replicas[leader].raft.lastIndex
        trio.replicas[leader].step(
            .received(
                .forward(trio.replicas[leader].raft.term, [command(8, 300), command(9, 10)]),
                from: origin), into: &effects)
        guard case .send(.forwardRefused(let refused, .leaderChanged), origin) = effects.first
        else {
            Issue.record("\(effects)")
            return
        }
        #expect(refused == [8])
        #expect(trio.replicas[leader].raft.lastIndex == last.next)
    }

    @Test("the largest entry that a log's options promise to take, it takes")
    func largestEntry() throws {
        for segmentBytes in [16 << 10, 64 << 10, 1 << 20] {
            let options = LogOptions(segmentBytes: segmentBytes, spareSegments: 0)
            let fileSystem = MemoryFileSystem(seed: 1)
            try fileSystem.makeDirectory("/log")
            let log = try SegmentedLog.open(
                fileSystem: fileSystem, directory: "/log",
                identity: NodeIdentity(
                    clusterID: ClusterID(1), memberID: NodeID(1), name: "n"), options: options,
                boot: BootNumber(1))
            var random = SplitMix64(seed: 1)
            let payload = (0..<options.entryBytesMax).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            for index in 1...2 as ClosedRange<UInt64> {
                try log.append([
                    LogEntry(
                        index: LogIndex(index), term: Term(1), kind: .command, payload: payload)
                ])
            }
        }
        #expect(LogOptions().entryBytesMax > 40 << 20)
    }

    @Test("a snapshot that fails is sent again after ever longer pauses")
    func snapshotPauses() {
        var retry = SnapshotRetry()
        let peer = NodeID(2)
        #expect(retry.mayStart(peer, at: 0))
        var now: UInt64 = 0
        var pauses: [UInt64] = []
        for _ in 0..<12 {
            retry.failed(peer, at: now)
            let start = now
            while !retry.mayStart(peer, at: now) { now += 1 }
            pauses.append(now - start)
        }
        #expect(pauses.prefix(4) == [20, 40, 80, 160])
        #expect(pauses.last == SnapshotRetry.pauseTicksMax)
        #expect(retry.mayStart(NodeID(3), at: 0))
        retry.forget(peer)
        #expect(retry.mayStart(peer, at: 0))
    }

    @Test("the log is never released past the newest checkpoint")
    func releaseIsBounded() {
        func header(_ index: UInt64) -> CheckpointHeader {
            CheckpointHeader(index: LogIndex(index), term: Term(1), configuration: [])
        }
        let plan = CheckpointPlan(loaded: header(50), entriesMin: 10, catchUpEntries: 20)
        #expect(plan.releasable(behind: header(45)) == LogIndex(25))
        #expect(plan.releasable(behind: header(90)) == LogIndex(30))
        #expect(plan.releasable(behind: header(20)) == nil)
    }

    @Test("A32 numbers from the network that no sum could bear are refused by name")
    func absurdNumbers() throws {
        let identity = PeerIdentity(
            clusterID: ClusterID(1), memberID: NodeID(1), boot: BootNumber(.max), nonce: 1)
        func hello(_ current: UInt64, _ term: UInt64, _ index: UInt64) -> [UInt8] {
            PeerHello(
                from: identity, to: NodeID(2), currentTerm: Term(current), lastTerm: Term(term),
                lastIndex: LogIndex(index), channel: .bulk
            ).encode()
        }
        _ = try PeerHello.decode(hello(1, 1, 1))
        let huge: UInt64 = 1 << 62
        for bytes in [hello(huge, 1, 1), hello(1, huge, 1), hello(1, 1, .max)] {
            #expect(throws: DecodingError.self) { try PeerHello.decode(bytes) }
        }
        let beat = Heartbeat(context: 1, leaderCommit: .zero, leaderCommitTerm: .zero)
        let messages: [PeerMessage] = [
            .raft(Message(term: Term(huge), body: .heartbeat(beat))),
            .readResponse(id: 1, index: LogIndex(.max)), .digest(index: LogIndex(huge), 1),
        ]
        for message in messages {
            var reader = ByteReader(Self.bytes(message))
            #expect(throws: DecodingError.self) { try PeerMessage.decode(from: &reader) }
        }
    }
}
