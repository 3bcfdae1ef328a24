import Primitives
import RaftCore

extension SimulatedCluster {
    mutating func perform(_ effects: [Effect], of node: Int) {
        for effect in effects {
            switch effect {
            case .send(let envelope): send(envelope, from: node)
            case .persist(let write): nodes[node].writes.append(write)
            case .committed(let index):
                nodes[node].committed = index
                if nodes[node].core.role == .leader { checkQuorumHolds(index, at: node) }
                if chance(2, in: 3) { apply(node) }
            case .load(let first, let last, let bytesMax):
                nodes[node].loads.append((first, last, bytesMax))
            case .readReady(let ids, let index):
                for id in ids { checkRead(id, served: index, at: node) }
            case .readAborted(let ids):
                for id in ids { nodes[node].reads[id] = nil }
            case .sendSnapshot(let to, let leastIndex):
                sendSnapshot(to: to, atLeast: leastIndex, from: node)
            case .roleChanged(let role, let term, _):
                if role == .leader { checkElection(of: node, term: term) }
            case .configurationChanged(let configuration, let index):
                if configuration != nodes[node].core.configuration,
                    index == nodes[node].core.configurationIndex
                {
                    failures.append("\(nodes[node].id) told of another configuration")
                }
            }
        }
    }

    mutating func send(_ envelope: Envelope, from node: Int) {
        checkPromise(envelope, of: node)
        var message = envelope.message
        // Everything goes through the codec on its way.
        var writer = ByteWriter()
        message.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        do {
            let decoded = try Message.decode(&reader)
            if decoded != message || !reader.isAtEnd {
                failures.append("\(message) came out of the codec as \(decoded)")
            }
            message = decoded
        } catch {
            failures.append("\(message) cannot be decoded: \(error)")
        }
        network.append(
            Transit(from: nodes[node].id, to: envelope.to, parcel: .message(message)))
    }

    mutating func apply(_ node: Int) {
        if !nodes[node].isUp { return }
        while nodes[node].state.index < nodes[node].committed {
            let first = nodes[node].state.index.next
            let held = nodes[node].core.entries(
                from: first, through: nodes[node].committed, bytesMax: 200)
            guard let entries = held ?? nodes[node].disk.entry(first).map({ [$0] }) else {
                failures.append(
                    "\(nodes[node].id) has entry \(first) neither in memory nor on disk")
                return
            }
            for entry in entries {
                checkApplied(entry, at: node)
                nodes[node].state.apply(entry)
            }
        }
        checkDigest(of: node)
        step(node, .applied(nodes[node].state.index))
    }

    mutating func sendSnapshot(to peer: NodeID, atLeast index: LogIndex, from node: Int) {
        apply(node)
        let state = nodes[node].state
        if state.index < index {
            failures.append("\(nodes[node].id) forgot \(index) but applied \(state.index) only")
        }
        let snapshot = SimulatedSnapshot(
            state: state, configuration: nodes[node].core.configuration(at: state.index))
        network.append(
            Transit(from: nodes[node].id, to: peer, parcel: .snapshot(snapshot)))
    }

    mutating func install(_ snapshot: SimulatedSnapshot, at node: Int) {
        if snapshot.state.index <= nodes[node].state.index { return }
        snapshotsInstalled += 1
        nodes[node].disk.checkpoint = snapshot
        nodes[node].state = snapshot.state
        nodes[node].committed = max(nodes[node].committed, snapshot.state.index)
        checkDigest(of: node)
        step(
            node,
            .installed(
                index: snapshot.state.index, term: snapshot.state.term,
                configuration: snapshot.configuration.configuration))
    }

    // MARK: The healed phase

    /// No more faults: time passes evenly, everything arrives in order, every disk completes.
    mutating func heal() {
        cuts = []
        dropPercent = 0
        doublePercent = 0
        for node in nodes.indices {
            if !nodes[node].isUp { crashOrRestart(node) }
            step(node, .storageFull(false))
            step(node, .votingAllowed(true))
        }
    }

    mutating func settle(rounds: Int) {
        for _ in 0..<rounds {
            for node in nodes.indices { step(node, .tick) }
            for _ in 0..<6 {
                for node in nodes.indices {
                    completeWrites(node)
                    while !nodes[node].loads.isEmpty { answerLoad(node) }
                    apply(node)
                }
                let arrived = network.count
                for _ in 0..<arrived { deliverFirst() }
            }
        }
    }

    private mutating func deliverFirst() {
        let transit = network.removeFirst()
        guard let to = nodes.firstIndex(where: { $0.id == transit.to }) else { return }
        switch transit.parcel {
        case .message(let message): step(to, .received(message, from: transit.from))
        case .snapshot(let snapshot):
            install(snapshot, at: to)
            if let from = nodes.firstIndex(where: { $0.id == transit.from }) {
                step(
                    from, .snapshotSent(to: transit.to, snapshot.state.index, succeeded: true))
            }
        }
    }

    /// After healing, one leader commits new entries and every member applies them.
    mutating func mustMakeProgress() {
        heal()
        settle(rounds: 150)
        let before = committed.count
        let leading = nodes.indices.filter { nodes[$0].core.role == .leader }
        guard let leader = leading.max(by: { nodes[$0].core.term < nodes[$1].core.term }) else {
            failures.append("no leader after healing")
            return
        }
        if nodes[leader].core.isTransferring { settle(rounds: 40) }
        propose(leader)
        read(leader)
        settle(rounds: 60)
        if committed.count <= before { failures.append("nothing committed after healing") }
        let configuration = nodes[leader].core.configuration
        if configuration.isJoint { failures.append("the configuration stayed joint") }
        for id in configuration.members {
            guard let node = nodes.first(where: { $0.id == id }) else { continue }
            if node.state.index != LogIndex(UInt64(committed.count)) {
                failures.append(
                    "\(id) applied \(node.state.index) of \(committed.count) after healing; leader "
                        + "\(nodes[leader].id) progress \(nodes[leader].core.progress)")
            }
        }
        if !nodes[leader].reads.isEmpty {
            failures.append("reads were left without an answer: \(nodes[leader].reads.count)")
        }
    }
}
