import Primitives
import RaftCore
import Replication
import StateMachine

/// Three replicas in one thread: messages in order, writes durable at once. What a test may do to
/// it: cut members off, repeat forwards, let time pass.
struct Trio {
    static let ids = [NodeID(1), NodeID(2), NodeID(3)]

    var replicas: [Replica]
    var outcomes: [[UInt64: ReplicaOutcome]] = [[:], [:], [:]]
    var reads: [[UInt64: RequestFailure?]] = [[:], [:], [:]]
    var leases: [[UInt64: LeaseAnswer]] = [[:], [:], [:]]
    var applied: [[Applied]] = [[], [], []]
    var cutOff: Set<Int> = []
    /// Members whose writes never become durable.
    var withoutDisk: Set<Int> = []
    var repeatsForwards = false
    var losesForwards = false
    /// Nothing is committed meanwhile; heartbeats arrive.
    var losesAppends = false
    /// Answers about leases that were sent to other nodes.
    var leaseReplies = 0
    /// What each member was told about its holes, and the snapshots that it was to send.
    var healsFrom: [[LogIndex]] = [[], [], []]
    var snapshots: [[(to: NodeID, leastIndex: LogIndex)]] = [[], [], []]
    /// The entries that each member was sent for its holes.
    var filled: [[[LogEntry]]] = [[], [], []]
    var halts: [ReplicaHalt?] = [nil, nil, nil]
    /// What the wall clocks say, in milliseconds.
    var clock: UInt64 = 0
    var onDisk: [[LogEntry]] = [[], [], []]
    private var mail: [(from: Int, to: Int, PeerMessage)] = []

    /// - Parameter known: what each member's build knows.
    init(
        known: [FeatureLevel] = [.newest, .newest, .newest],
        _ change: (inout ReplicaSettings) -> Void = { _ in }
    ) {
        let configuration = ClusterConfiguration(voters: Self.ids)
        replicas = zip(Self.ids, known).map { id, known in
            let raft = RaftSettings(id: id, seed: id.rawValue, electionTicks: 20, heartbeatTicks: 2)
            var settings = ReplicaSettings(
                raft: raft, clusterID: ClusterID(1), boot: BootNumber(1), ticksPerSecond: 10)
            settings.digestIntervalEntries = 4
            change(&settings)
            return Replica(
                settings: settings, restored: .fresh(configuration), store: Store(known: known))
        }
    }

    var leader: Int? {
        replicas.indices.filter { replicas[$0].isLeader }.max {
            replicas[$0].raft.term < replicas[$1].raft.term
        }
    }

    /// Lets ticks pass until there is a leader that all connected members know.
    mutating func elect() {
        for _ in 0..<400 {
            tick()
            if let leader, !cutOff.contains(leader),
                replicas.indices.allSatisfy({
                    cutOff.contains($0) || replicas[$0].raft.leader == Self.ids[leader]
                })
            {
                return
            }
        }
    }

    mutating func tick(_ count: Int = 1) {
        for _ in 0..<count {
            for node in replicas.indices { step(node, .tick(clock: clock)) }
            deliver()
        }
    }

    mutating func step(_ node: Int, _ input: ReplicaInput) {
        var effects: [ReplicaEffect] = []
        replicas[node].step(input, into: &effects)
        perform(&effects, at: node)
    }

    mutating func propose(
        _ node: Int, _ kind: CommandKind, body: [UInt8], proposedID: Int64 = 0
    ) -> UInt64 {
        let sequence = replicas[node].nextSequence()
        var effects: [ReplicaEffect] = []
        replicas[node].propose(
            kind, proposedID: proposedID, body: body, sequence: sequence, into: &effects)
        perform(&effects, at: node)
        return sequence
    }

    mutating func decide(_ node: Int, _ command: DatacenterCommand) -> UInt64 {
        let sequence = replicas[node].nextSequence()
        var effects: [ReplicaEffect] = []
        replicas[node].decide(command.encode(), sequence: sequence, into: &effects)
        perform(&effects, at: node)
        return sequence
    }

    mutating func put(_ node: Int, _ key: String, lease: Int64 = 0) -> UInt64 {
        var body = ProtobufWriter()
        body.field(1, key)
        body.field(2, "v")
        body.field(3, lease)
        return propose(node, .put, body: body.bytes)
    }

    mutating func read(_ node: Int) -> UInt64 {
        let sequence = replicas[node].nextSequence()
        var effects: [ReplicaEffect] = []
        replicas[node].read(sequence: sequence, into: &effects)
        perform(&effects, at: node)
        return sequence
    }

    mutating func renew(_ node: Int, _ lease: Int64) -> UInt64 {
        let sequence = replicas[node].nextSequence()
        var effects: [ReplicaEffect] = []
        replicas[node].renewLease(lease, sequence: sequence, into: &effects)
        perform(&effects, at: node)
        return sequence
    }

    /// Flushes what was gathered and hands messages over until nothing moves.
    mutating func deliver() {
        for _ in 0..<1000 {
            for node in replicas.indices {
                var effects: [ReplicaEffect] = []
                replicas[node].flush(into: &effects)
                perform(&effects, at: node)
            }
            if mail.isEmpty { return }
            let batch = mail
            mail = []
            for (from, to, message) in batch where !cutOff.contains(from) && !cutOff.contains(to) {
                step(to, .received(message, from: Self.ids[from]))
            }
        }
    }

    private mutating func perform(_ effects: inout [ReplicaEffect], at node: Int) {
        while !effects.isEmpty {
            let batch = effects
            effects = []
            for effect in batch { carryOut(effect, at: node, into: &effects) }
        }
    }

    private mutating func carryOut(
        _ effect: ReplicaEffect, at node: Int, into effects: inout [ReplicaEffect]
    ) {
        switch effect {
        case .send(let message, let peer): send(message, from: node, to: peer)
        case .persist where withoutDisk.contains(node): break
        case .persist(let write):
            onDisk[node].removeAll { $0.index >= write.truncateFrom ?? .init(.max) }
            onDisk[node] += write.entries
            for envelope in write.thenSend {
                send(.raft(envelope.message), from: node, to: envelope.to)
            }
            replicas[node].step(.persisted(write.id), into: &effects)
        case .answer(let sequence, let outcome): outcomes[node][sequence] = outcome
        case .answerReads(let sequences, let failure):
            for sequence in sequences { reads[node][sequence] = failure }
        case .answerLease(let sequence, let answer): leases[node][sequence] = answer
        case .applied(let batch): applied[node] += batch
        case .continueApplying: replicas[node].step(.continueApplying, into: &effects)
        case .healsFrom(let index): healsFrom[node].append(index)
        case .fillHoles(let entries): filled[node].append(entries)
        case .load(let first, let last, _, let purpose):
            guard case .filling = purpose else { break }
            let entries = (first.rawValue...last.rawValue).compactMap { index in
                onDisk[node].first { $0.index == LogIndex(index) }
            }
            replicas[node].step(.loaded(first: first, entries, purpose), into: &effects)
        case .sendSnapshot(let peer, let index): snapshots[node].append((peer, index))
        case .halt(let reason): halts[node] = reason
        case .roleChanged, .configurationChanged: break
        }
    }

    private mutating func send(_ message: PeerMessage, from node: Int, to peer: NodeID) {
        guard let to = Self.ids.firstIndex(of: peer) else { return }
        if case .forward = message {
            if losesForwards { return }
            if repeatsForwards { mail.append((node, to, message)) }
        }
        if case .leaseAnswers(let replies) = message { leaseReplies += replies.count }
        if losesAppends, case .raft(let raft) = message, case .appendEntries = raft.body { return }
        mail.append((node, to, message))
    }

    func count(of key: String, at node: Int) -> Int64 {
        var request = RangeRequest()
        request.key = Array(key.utf8)
        return (try? replicas[node].store.range(request).count) ?? -1
    }
}
