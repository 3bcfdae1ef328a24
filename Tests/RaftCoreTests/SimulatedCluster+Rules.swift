import Primitives
import RaftCore

/// The properties of Figure 3 and what asynchronous writes add to them.
extension SimulatedCluster {
    /// Election Safety (§5.2) and Leader Completeness (§5.4).
    mutating func checkElection(of node: Int, term: Term) {
        let id = nodes[node].id
        if let other = leaders[term], other != id {
            failures.append("term \(term) is led by \(other) and by \(id)")
        }
        leaders[term] = id
        for entry in committed.reversed() {
            guard let held = nodes[node].core.term(at: entry.index) else {
                if entry.index < nodes[node].core.snapshotIndex { break }
                failures.append("leader \(id) of term \(term) lacks committed \(entry.index)")
                break
            }
            if held != entry.term {
                failures.append(
                    "leader \(id) of term \(term) holds term \(held) at \(entry.index), committed "
                        + "is \(entry.term)")
                break
            }
        }
    }

    /// A leader commits only what is durable on a majority (both majorities, while joint).
    mutating func checkQuorumHolds(_ index: LogIndex, at node: Int) {
        guard let entry = entryInMemory(index, at: node) else { return }
        let configuration = nodes[node].core.configuration(at: index).configuration
        // Of the configurations in force while it was committed, at least one must be satisfied.
        let candidates = [
            configuration, nodes[node].core.configuration, configuration.leavingJoint,
        ]
        let isHeld = candidates.contains { candidate in
            [candidate.voters, candidate.outgoingVoters].allSatisfy { voters in
                let holders = voters.filter { voter in
                    nodes.contains { $0.id == voter && $0.disk.holds(entry) }
                }
                return voters.isEmpty || holders.count >= voters.count / 2 + 1
            }
        }
        if !isHeld {
            failures.append(
                "\(nodes[node].id) committed \(index) of \(entry.term), not durable on a majority"
            )
        }
    }

    private func entryInMemory(_ index: LogIndex, at node: Int) -> LogEntry? {
        nodes[node].core.entries(from: index, through: index, bytesMax: 1)?.first
            ?? nodes[node].disk.entry(index)
    }

    /// State Machine Safety (§5.4.3).
    mutating func checkApplied(_ entry: LogEntry, at node: Int) {
        let position = Int(entry.index.rawValue) - 1
        if position < committed.count {
            if committed[position] != entry {
                failures.append(
                    "\(nodes[node].id) applied term \(entry.term) at \(entry.index), others "
                        + "term \(committed[position].term)")
            }
        } else if position == committed.count {
            committed.append(entry)
            digests.append(SimulatedState.mix(digests[position], entry))
            if entry.kind == .configuration { configurationsCommitted += 1 }
        } else {
            failures.append("\(nodes[node].id) applied \(entry.index) with a gap before it")
        }
    }

    mutating func checkDigest(of node: Int) {
        let state = nodes[node].state
        let position = Int(state.index.rawValue)
        if position >= digests.count || digests[position] != state.digest {
            failures.append("\(nodes[node].id) has another state at \(state.index)")
        }
    }

    /// What a message promises is durable when it leaves.
    mutating func checkPromise(_ envelope: Envelope, of node: Int) {
        let sender = nodes[node]
        let message = envelope.message
        switch message.body {
        case .requestVote(let request):
            if !request.isPreVote { checkTermDurable(message.term, of: node) }
        case .requestVoteResponse(let response):
            if response.isPreVote { return }
            checkTermDurable(message.term, of: node)
            if !response.voteGranted { return }
            if sender.disk.hardState.term == message.term,
                sender.disk.hardState.votedFor != envelope.to
            {
                failures.append("\(sender.id) sends a vote that is not durable")
            }
            if let other = votes[message.term]?[sender.id], other != envelope.to {
                failures.append("\(sender.id) voted twice in term \(message.term)")
            }
            votes[message.term, default: [:]][sender.id] = envelope.to
        case .appendEntriesResponse(.matched(let index)):
            checkTermDurable(message.term, of: node)
            if index > max(sender.disk.lastIndex, sender.disk.checkpoint.state.index) {
                failures.append(
                    "\(sender.id) acknowledges \(index), durable is \(sender.disk.lastIndex)")
            }
        case .appendEntriesResponse(.received): break
        case .appendEntriesResponse(.rejected) where sender.core.isStorageFull: break
        case .appendEntries, .appendEntriesResponse(.rejected), .heartbeat, .heartbeatResponse,
            .timeoutNow:
            checkTermDurable(message.term, of: node)
        }
    }

    private mutating func checkTermDurable(_ term: Term, of node: Int) {
        nodes[node].spokenTerm = max(nodes[node].spokenTerm, term)
        if nodes[node].disk.hardState.term < term {
            failures.append("\(nodes[node].id) speaks in term \(term) before it is durable")
        }
    }

    /// A read sees everything that was committed before it was requested (§6.4).
    mutating func checkRead(_ id: ReadID, served index: LogIndex, at node: Int) {
        guard let least = nodes[node].reads.removeValue(forKey: id) else {
            failures.append("\(nodes[node].id) answered a read that nobody waits for")
            return
        }
        readsServed += 1
        if index < least { failures.append("a read is served at \(index), committed was \(least)") }
    }

    /// Log Matching (§5.3): equal index and term, equal entry and equal past. Cost: O(all entries).
    mutating func checkLogMatching() {
        for (position, left) in nodes.enumerated() {
            for right in nodes[(position + 1)...] {
                var agrees = false
                for entry in left.disk.entries.reversed() {
                    guard let other = right.disk.entry(entry.index) else { continue }
                    if other.term == entry.term { agrees = true }
                    if agrees, other != entry {
                        failures.append(
                            "\(left.id) and \(right.id) differ at \(entry.index) below a match")
                        break
                    }
                }
            }
        }
    }
}

extension SimulatedCluster: CustomStringConvertible {
    var description: String {
        var text = "committed \(committed.count), \(network.count) in transit\n"
        for node in nodes {
            let core = node.core
            text += "\(node.id) \(node.isUp ? "up" : "down") \(core.role) term \(core.term) leader "
            text +=
                "\(core.leader?.description ?? "-") log \(core.snapshotIndex)..\(core.lastIndex) "
            text += "durable \(core.durableIndex) commit \(core.commitIndex) applied "
            text += "\(node.state.index) writes \(node.writes.count) voters "
            text += "\(core.configuration.voters) outgoing \(core.configuration.outgoingVoters) "
            text += "others \(core.configuration.members.count) at \(core.configurationIndex)"
            text += core.isVotingAllowed ? "\n" : " may not vote\n"
            for member in core.progress {
                text += "    \(member.id) \(member.role) \(member.mode) match \(member.matchIndex) "
                text += "next \(member.nextIndex) inflight \(member.inflightMessages) "
                text += "\(member.isRecentlyActive ? "active" : "silent")\n"
            }
        }
        return text
    }
}
