import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

extension Node: LogThreadDelegate {
    func persisted(_ writes: [Write]) {
        guard !stopping, let last = writes.last else { return }
        for write in writes {
            for envelope in write.thenSend {
                transport.send(.raft(envelope.message), to: envelope.to)
            }
        }
        step(.persisted(last.id))
    }

    func loaded(first: LogIndex, _ entries: [LogEntry], _ purpose: LoadPurpose) {
        guard !stopping else { return }
        step(.loaded(first: first, entries, purpose))
    }

    func logFailed(_ error: StorageError) { halt(.storage(error)) }
}

extension Node: PeerTransportDelegate {
    func received(_ message: PeerMessage, from peer: NodeID) {
        guard !stopping else { return }
        if case .raft(let raft) = message { remember(raft, from: peer) }
        step(.received(message, from: peer))
    }

    func unreachable(_ peer: NodeID) {
        guard !stopping else { return }
        step(.peerUnreachable(peer))
    }

    func refused(_ peer: NodeID) {
        guard !stopping else { return }
        step(.connectionRefused(peer))
    }

    func lastPosition() -> (term: Term, index: LogIndex) {
        (replica.raft.lastTerm, replica.raft.lastIndex)
    }

    /// What a follower acknowledged it must still have after a restart (DESIGN §5, amnesia).
    private func remember(_ message: Message, from peer: NodeID) {
        guard let index = message.acknowledgedIndex, let term = replica.raft.term(at: index) else {
            return
        }
        memory.acknowledged(by: peer, term: term, index: index)
    }

    func judge(_ hello: PeerHello, _ answer: @escaping (PeerWelcome) -> Void) {
        var welcome = PeerWelcome(
            verdict: .known, sender: identity.memberID, boot: identity.boot,
            nonce: identity.nonce,
            remembered: PeerMark(boot: .zero, term: .zero, index: .zero), reason: "")
        if let refusal = refusal(of: hello) {
            welcome.verdict = refusal.verdict
            welcome.reason = refusal.reason
            return answer(welcome)
        }
        let judged = memory.judge(hello)
        welcome.verdict = judged.verdict
        welcome.remembered = judged.remembered
        guard judged.isNew else { return answer(welcome) }
        // The boot number is remembered durably before the peer may act on this answer.
        let bound = NIOLoopBound(answer, eventLoop: eventLoop)
        let settled = welcome
        memory.store(through: logThread) { [eventLoop] in
            eventLoop.execute { bound.value(settled) }
        }
    }

    private func refusal(of hello: PeerHello) -> (verdict: PeerVerdict, reason: String)? {
        let version = PeerProtocol.version
        if hello.protocolMin > version || hello.protocolMax < version {
            return (
                .unsupportedProtocol,
                "this node speaks peer protocol \(version), the caller "
                    + "\(hello.protocolMin) to \(hello.protocolMax)"
            )
        }
        if hello.clusterID != identity.clusterID {
            return (
                .wrongCluster,
                "this node belongs to cluster \(identity.clusterID), the caller to "
                    + "\(hello.clusterID): check --initial-cluster and --initial-cluster-token"
            )
        }
        if hello.receiver != identity.memberID {
            return (
                .wrongMember,
                "this is member \(identity.memberID), the caller wants \(hello.receiver): "
                    + "check the peer URLs in --initial-cluster"
            )
        }
        if !transport.peerIDs.contains(hello.sender) {
            return (.unknownMember, "member \(hello.sender) is not in this cluster")
        }
        return nil
    }

    func welcomed(by peer: NodeID, _ welcome: PeerWelcome) {
        switch welcome.verdict {
        case .neverHeard, .known:
            if admission.accept(peer) {
                logger.info("a majority knows this member's disk as current: it takes part")
                step(.votingAllowed(true))
            }
        case .behind:
            if admission.reject() {
                step(.votingAllowed(false))
                logger.error(
                    """
                    this member's disk is older than what it once acknowledged: it neither \
                    votes nor acknowledges. Remove the member from the cluster, empty its data \
                    directory and add it again as a new member
                    """,
                    metadata: [
                        "remembered by": "\(peer)", "boot": "\(welcome.remembered.boot)",
                        "term": "\(welcome.remembered.term)",
                        "index": "\(welcome.remembered.index)",
                        "this disk's boot": "\(identity.boot)",
                        "this disk's index": "\(replica.raft.lastIndex)",
                    ])
            }
        case .wrongCluster, .wrongMember, .unknownMember, .unsupportedProtocol:
            logger.error(
                "a peer refused this node",
                metadata: ["peer": "\(peer)", "reason": "\(welcome.reason)"])
        }
    }
}
