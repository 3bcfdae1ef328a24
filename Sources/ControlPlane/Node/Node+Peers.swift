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
            gate.memory.remembered(ticket)
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
        if case .raft(let raft) = message { gate.note(raft, from: peer, replica.raft) }
        step(.received(message, from: peer))
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
            lastIndex: view.lastIndex, channel: kind)
    }

    func judge(_ hello: PeerHello, _ answer: @escaping (PeerWelcome) -> Void) {
        let judged = gate.judge(hello, peers: transport.peerIDs, replica.raft)
        guard judged.mustRememberFirst else { return answer(judged.welcome) }
        let (records, ticket) = gate.memory.takeRecords()
        answersWaiting.append((ticket, { answer(judged.welcome) }))
        submitLog(.remember(records, ticket))
    }

    func welcomed(by peer: NodeID, _ welcome: PeerWelcome) {
        switch gate.welcomed(by: peer, welcome) {
        case .nothing: break
        case .admitted:
            logger.info("a majority knows this member's disk as current: it takes part")
            step(.votingAllowed(true))
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
        case .refused:
            logger.error(
                "a peer refused this node",
                metadata: ["peer": "\(peer)", "reason": "\(welcome.reason)"])
        }
    }
}
