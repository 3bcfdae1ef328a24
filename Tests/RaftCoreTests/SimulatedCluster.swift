import Primitives
import RaftCore
import Testing

/// A cluster in one value: a network that drops, doubles and reorders, disks that forget what was
/// not completed, and rules that are checked at every step. One seed fixes everything.
struct SimulatedCluster {
    struct Options {
        var changesMembers = false
        var compacts = false
        var leaseReads = false
        var steps = 3000
    }

    enum Parcel {
        case message(Message)
        case snapshot(SimulatedSnapshot)
    }

    struct Transit {
        var from: NodeID
        var to: NodeID
        var parcel: Parcel
    }

    let options: Options
    var random: SplitMix64
    var nodes: [SimulatedNode] = []
    var network: [Transit] = []
    /// Pairs that cannot reach each other now.
    var cuts: [(NodeID, NodeID)] = []
    var dropPercent: UInt64 = 0
    var doublePercent: UInt64 = 0
    var crashPerMille: UInt64 = 0
    var nextRead: UInt64 = 1
    var nextPayload: UInt64 = 1
    // What the rules remember.
    var leaders: [Term: NodeID] = [:]
    var votes: [Term: [NodeID: NodeID]] = [:]
    /// Every entry known to be committed, from index 1, and the digest behind each.
    var committed: [LogEntry] = []
    var digests: [UInt64] = [0]
    var failures: [String] = []
    var readsServed = 0
    var snapshotsInstalled = 0
    var configurationsCommitted = 0
    var loadsServed = 0

    init(seed: UInt64, options: Options) {
        self.options = options
        random = SplitMix64(seed: seed)
        let voterCount = [1, 2, 3, 3, 4, 5, 5][Int(random.next(below: 7))]
        let total = voterCount + (options.changesMembers ? 2 : 0)
        let voters = (1...voterCount).map { NodeID(UInt64($0)) }
        dropPercent = [0, 2, 10, 30][Int(random.next(below: 4))]
        doublePercent = [0, 5, 20][Int(random.next(below: 3))]
        crashPerMille = [0, 2, 8][Int(random.next(below: 3))]
        for number in 1...UInt64(total) {
            let settings = RaftSettings(
                id: NodeID(number), seed: random.next(), electionTicks: 12, heartbeatTicks: 3,
                inflightMessagesMax: 1 + Int(random.next(below: 6)), inflightBytesMax: 400,
                messageBytesMax: 40 + Int(random.next(below: 200)),
                windowBytesMax: Int(random.next(below: 500)), uncommittedBytesMax: 4000,
                leaseReads: options.leaseReads)
            let isMember = number <= UInt64(voterCount)
            nodes.append(
                SimulatedNode(
                    settings: settings,
                    configuration: ClusterConfiguration(voters: isMember ? voters : [])))
        }
    }

    // MARK: One event

    mutating func chance(_ part: UInt64, in whole: UInt64) -> Bool {
        random.next(below: whole) < part
    }

    mutating func pick(_ count: Int) -> Int { Int(random.next(below: UInt64(count))) }

    /// Anything may happen.
    mutating func disturb() {
        let node = pick(nodes.count)
        switch random.next(below: 200) {
        // A lease holds only while clocks agree, so with leases all of them tick together.
        case 0..<16: if !options.leaseReads { step(node, .tick) }
        case 16..<24: for each in nodes.indices { step(each, .tick) }
        case 24..<110: for _ in 0...pick(4) { deliver() }
        case 110..<140: completeWrites(node)
        case 140..<164: propose(node)
        case 164..<170: read(node)
        case 170..<178: while !nodes[node].loads.isEmpty { answerLoad(node) }
        case 178..<182: apply(node)
        case 182..<187: if options.compacts { checkpoint(node) }
        case 187..<191: if options.changesMembers { changeMembers(node) }
        case 191..<192: if chance(1, in: 4) { step(node, .transferLeadership(to: nil)) }
        case 192..<194: if chance(1, in: 4) { toggleCut() }
        case 194..<195:
            let isAllowed = nodes[node].core.isVotingAllowed
            let isFull = nodes[node].core.isStorageFull
            if isFull || chance(1, in: 6) {
                step(node, .storageFull(!isFull))
            } else if !isAllowed || chance(1, in: 6) {
                step(node, .votingAllowed(!isAllowed))
            }
        case 195..<196: lose(node)
        default: if !nodes[node].isUp || chance(crashPerMille, in: 80) { crashOrRestart(node) }
        }
    }

    mutating func step(_ node: Int, _ input: Input) {
        if !nodes[node].isUp { return }
        var effects: [Effect] = []
        nodes[node].core.step(input, into: &effects)
        perform(effects, of: node)
    }

    mutating func deliver() {
        if network.isEmpty { return }
        let position = chance(1, in: 3) ? pick(network.count) : 0
        let transit =
            chance(doublePercent, in: 100) ? network[position] : network.remove(at: position)
        guard let to = nodes.firstIndex(where: { $0.id == transit.to }) else { return }
        let isCut = cuts.contains { cut in
            cut == (transit.from, transit.to) || cut == (transit.to, transit.from)
        }
        let isLost = isCut || !nodes[to].isUp || chance(dropPercent, in: 100)
        switch transit.parcel {
        case .message(let message):
            if isLost { return }
            step(to, .received(message, from: transit.from))
        case .snapshot(let snapshot):
            if !isLost { install(snapshot, at: to) }
            if let from = nodes.firstIndex(where: { $0.id == transit.from }) {
                step(
                    from,
                    .snapshotSent(to: transit.to, snapshot.state.index, succeeded: !isLost))
            }
        }
    }

    mutating func completeWrites(_ node: Int) {
        if !nodes[node].isUp || nodes[node].writes.isEmpty { return }
        if nodes[node].core.isStorageFull { return }
        let count = 1 + pick(nodes[node].writes.count)
        let done = Array(nodes[node].writes.prefix(count))
        nodes[node].writes.removeFirst(count)
        for write in done {
            nodes[node].disk.perform(write)
            for envelope in write.thenSend { send(envelope, from: node) }
        }
        step(node, .persisted(done[count - 1].id))
    }

    var anyLeader: Int? { nodes.firstIndex { $0.isUp && $0.core.role == .leader } }

    mutating func propose(_ node: Int) {
        guard let node = nodes[node].isUp && nodes[node].core.role == .leader ? node : anyLeader
        else { return }
        var payloads: [(EntryKind, [UInt8])] = []
        for _ in 0...pick(4) {
            var writer = ByteWriter()
            writer.write(nextPayload)
            nextPayload += 1
            payloads.append((.command, writer.bytes))
        }
        var effects: [Effect] = []
        _ = try? nodes[node].core.propose(payloads, into: &effects)
        perform(effects, of: node)
    }

    mutating func read(_ node: Int) {
        guard let node = nodes[node].isUp && nodes[node].core.role == .leader ? node : anyLeader
        else { return }
        let id = ReadID(nextRead)
        nextRead += 1
        nodes[node].reads[id] = LogIndex(UInt64(committed.count))
        var effects: [Effect] = []
        do {
            try nodes[node].core.requestRead(id, into: &effects)
        } catch {
            failures.append("a leader refused a read: \(error)")
        }
        perform(effects, of: node)
    }

    mutating func answerLoad(_ node: Int) {
        guard nodes[node].isUp, let load = nodes[node].loads.first else { return }
        nodes[node].loads.removeFirst()
        var entries: [LogEntry] = []
        var bytes = 0
        var index = load.first
        while index <= load.last, let entry = nodes[node].disk.entry(index) {
            bytes += entry.weightBytes
            if !entries.isEmpty, bytes > load.bytesMax { break }
            entries.append(entry)
            index = index.next
        }
        loadsServed += entries.isEmpty ? 0 : 1
        step(node, .loaded(first: load.first, entries))
    }

    mutating func checkpoint(_ node: Int) {
        if !nodes[node].isUp { return }
        let previous = nodes[node].disk.checkpoint.state.index
        let state = nodes[node].state
        // Never past what is durable, or a crash would leave a checkpoint without its past.
        if state.index <= nodes[node].core.durableIndex, state.index > previous {
            nodes[node].disk.checkpoint = SimulatedSnapshot(
                state: state, configuration: nodes[node].core.configuration(at: state.index))
            if nodes[node].writes.isEmpty {
                nodes[node].disk.release(through: previous)
                step(node, .compacted(through: previous))
            }
        }
    }

    mutating func changeMembers(_ node: Int) {
        guard let node = nodes[node].isUp && nodes[node].core.role == .leader ? node : anyLeader
        else { return }
        var steps: [ConfigurationChange.Step] = []
        for _ in 0...pick(2) {
            let member = nodes[pick(nodes.count)].id
            if steps.contains(where: { $0.member == member }) { continue }
            let roles: [MemberRole?] = [.voter, .voter, .voter, .learner, .joining, .observer, nil]
            steps.append(ConfigurationChange.Step(member, roles[pick(roles.count)]))
        }
        var effects: [Effect] = []
        _ = try? nodes[node].core.proposeConfiguration(
            ConfigurationChange(steps), into: &effects)
        perform(effects, of: node)
    }

    mutating func toggleCut() {
        if !cuts.isEmpty, chance(1, in: 2) {
            cuts.remove(at: pick(cuts.count))
        } else if cuts.count < nodes.count {
            cuts.append((nodes[pick(nodes.count)].id, nodes[pick(nodes.count)].id))
        }
    }

    /// Everything on its way to or from a member is lost, and its peers hear so.
    mutating func lose(_ node: Int) {
        let id = nodes[node].id
        var kept: [Transit] = []
        for transit in network {
            // A snapshot's sender always hears how it ended.
            if case .snapshot = transit.parcel {
                kept.append(transit)
            } else if transit.to != id || chance(1, in: 2) {
                kept.append(transit)
            }
        }
        network = kept
        for peer in nodes.indices where peer != node { step(peer, .peerUnreachable(id)) }
    }

    mutating func crashOrRestart(_ node: Int) {
        if nodes[node].isUp {
            let survivors = pick(nodes[node].writes.count + 1)
            nodes[node].crash(completing: survivors)
            let id = nodes[node].id
            network.removeAll {
                if case .snapshot = $0.parcel { return $0.from == id }
                return false
            }
            for peer in nodes.indices where peer != node && chance(1, in: 2) {
                step(peer, .connectionRefused(id))
            }
        } else {
            let term = nodes[node].spokenTerm
            nodes[node].restart(recent: pick(10), seed: random.next())
            if nodes[node].core.term < term {
                failures.append("\(nodes[node].id) spoke in term \(term) and forgot it")
            }
        }
    }
}
