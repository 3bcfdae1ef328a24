import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

extension Node: LogThreadDelegate {
    func reported(_ report: LogReport) {
        guard !stopping else { return }
        switch report {
        case .persisted(let writes):
            for write in writes {
                for envelope in write.thenSend {
                    transport.send(.raft(envelope.message), to: envelope.to)
                }
            }
            if let last = writes.last { step(.persisted(last.id)) }
        case .loaded(_, let entries, .archiving(let id)): logWasRead(id, entries)
        case .loaded(let first, let entries, let purpose):
            step(.loaded(first: first, entries, purpose))
        case .recovered(let entries):
            logger.notice(
                "other members had what the damaged log lost",
                metadata: [
                    "first": "\(entries.first?.index ?? .zero)",
                    "last": "\(entries.last?.index ?? .zero)",
                ])
            step(.recovered(entries))
        case .healed:
            logger.notice("the log is whole again: the other members judge it anew")
            gate.admission.healed()
            step(.healed)
            transport.redialAll()
        case .remembered(let ticket):
            if gate.remembered(ticket) { admitted() }
            while let first = answersWaiting.first, first.ticket <= ticket {
                answersWaiting.removeFirst()
                first.answer()
            }
        case .outOfSpace(let error): ranOutOfSpace(error)
        case .roomAgain: hasRoomAgain()
        }
    }

    func logFailed(_ error: StorageError) { halt(.storage(error)) }
}

extension Node: PeerTransportDelegate {
    func received(_ message: PeerMessage, from peer: NodeID) {
        guard !stopping else { return }
        if case .raft(let raft) = message {
            gate.note(raft, from: peer, replica.view, replica.raft.log)
        }
        step(.received(message, from: peer))
    }

    func received(_ notes: [TraceNote]) {
        guard !stopping else { return }
        tracer?.received(notes, now: .now())
    }

    func unreachable(_ peer: NodeID) {
        guard !stopping else { return }
        step(.peerUnreachable(peer))
        snapshots.sending[peer]?.abandon()
    }

    func restarted(_ peer: NodeID) {
        guard !stopping else { return }
        snapshots.sending[peer]?.abandon()
        snapshots.retry.forget(peer)
    }

    func refused(_ peer: NodeID) {
        guard !stopping else { return }
        step(.connectionRefused(peer))
    }

    func hello(to peer: NodeID, _ kind: PeerChannelKind) -> PeerHello {
        let view = replica.view
        return PeerHello(
            from: identity, to: peer, currentTerm: view.term, lastTerm: view.lastTerm,
            lastIndex: view.lastIndex, channel: kind, peerURL: peerURLs(of: memberID).first ?? "",
            clusterLevel: store.members.clusterLevel)
    }

    func judge(
        _ hello: PeerHello, _ certificate: CertificateSubject?,
        _ answer: @escaping (PeerWelcome) -> Void
    ) {
        if let certificate, let reason = mismatch(hello, certificate) {
            return answer(gate.refusal(reason))
        }
        let judged = gate.judge(
            hello, peers: transport.peerIDs, replica.raft, members: store.members)
        var welcome = judged.welcome
        welcome.takesTraces = tracer != nil
        guard judged.mustRememberFirst else { return answer(welcome) }
        let (records, ticket) = gate.memory.takeRecords()
        answersWaiting.append((ticket, { [welcome] in answer(welcome) }))
        submitLog(.remember(records, ticket))
    }

    /// Nil where the certificate is for a host that the member is known by: nobody else who has a
    /// certificate of the same CA can pass for it.
    private func mismatch(_ hello: PeerHello, _ certificate: CertificateSubject) -> String? {
        var urls = peerURLs(of: hello.sender)
        // Whom this node does not know yet it dials where the hello says.
        if urls.isEmpty { urls = [hello.peerURL] }
        return mismatch(hello.sender, at: urls, certificate)
    }

    func mismatch(
        _ member: NodeID, at urls: [String], _ certificate: CertificateSubject
    ) -> String? {
        let hosts = urls.compactMap { try? ServiceURL($0, flag: "peer URL").host }
        if hosts.contains(where: certificate.covers(host:)) { return nil }
        return "the certificate is for \(certificate.summary), and member \(member) is at "
            + urls.joined(separator: ", ")
    }

    func welcomed(by peer: NodeID, _ welcome: PeerWelcome) {
        switch gate.welcomed(by: peer, welcome) {
        case .nothing: break
        case .admitted: admitted()
        case .rejected:
            step(.votingAllowed(false))
            logger.error(
                """
                this member's disk does not hold what it once acknowledged: it neither votes nor \
                acknowledges
                """,
                metadata: [
                    "remembered by": "\(peer)", "reason": "\(welcome.reason)",
                    "boot": "\(welcome.remembered.boot)",
                    "term": "\(welcome.remembered.term)",
                    "index": "\(welcome.remembered.index)",
                    "this disk's boot": "\(identity.boot)",
                    "this disk's index": "\(replica.view.lastIndex)",
                ])
            if configuration.rejoinPolicy == .auto { lostDisk = welcome.reason }
            leaveIfDiskLost()
        case .refused:
            logger.error(
                "a peer refused this node",
                metadata: ["peer": "\(peer)", "reason": "\(welcome.reason)"])
        case .removed: wasRemoved()
        case .outdated:
            halt(.replica(.outdated(known: identity.level, reason: welcome.reason)))
        }
    }

    /// Another place is given by a leader. Until there is one, others may need this server's word
    /// to be admitted themselves.
    func leaveIfDiskLost() {
        guard let lostDisk, replica.view.leader != nil else { return }
        halt(.replica(.diskLost(reason: lostDisk)))
    }

    func admitted() {
        logger.info("a majority knows this member's disk as current: it takes part")
        step(.votingAllowed(true))
    }

    /// Where a member's peers find it: as the cluster has agreed, or else as the log says that it
    /// may have, or as the flags do.
    func peerURLs(of id: NodeID) -> [String] {
        store.members[id]?.peerURLs ?? foreseen[id]?.peerURLs
            ?? configuration.initialCluster.first { $0.id == id }?.peerURLs.map(\.description) ?? []
    }

    /// Everybody whom consensus knows, and whom the cluster has agreed on, is a peer.
    func followMembers() {
        var wanted: [NodeID: ServiceURL] = [:]
        let ids =
            replica.raft.configuration.members + replica.appliedConfiguration.members
            + store.members.records.map(\.id)
        let isGone = { [store, replica] (id: NodeID) in
            store.members.isRemoved(id) && replica.raft.isOut(id)
        }
        for id in ids where id != memberID && !isGone(id) {
            guard let text = peerURLs(of: id).first,
                let url = try? ServiceURL(text, flag: "peer URL")
            else { continue }
            wanted[id] = url
        }
        // Whom this node does not know may be its leader: then it will know soon.
        for id in transport.peerIDs where wanted[id] == nil && !isGone(id) {
            if replica.view.leader == nil || replica.view.leader == id {
                wanted[id] = transport.address(of: id)
            }
        }
        transport.follow(wanted)
        for id in snapshots.sending.keys where wanted[id] == nil {
            snapshots.sending[id]?.abandon()
        }
    }
}
