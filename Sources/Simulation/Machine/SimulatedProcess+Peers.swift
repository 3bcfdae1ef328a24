import Primitives
import RaftCore
import Replication
import StateMachine

/// What one process knows of its connections with one peer.
final class PeerConnections {
    let links = [PeerLink(kind: .bulk), PeerLink(kind: .urgent)]
    /// The member that is looked for there, which may have gone; none where nobody is.
    var id = NodeID.none
    var isWanted: Bool { id != .none }
    var inboundOpen = 0
    var refusedSinceHeard = false
}

/// The dialling side of one connection to one peer.
final class PeerLink {
    let kind: PeerChannelKind
    var connection: Connection?
    /// The member that the hello on it looks for.
    var asked = NodeID.none
    var isReady = false
    var isDialling = false
    var backoff: Micros = PeerLink.backoffMin
    /// Names the redial that is waited for.
    var redial = 0

    static let backoffMin: Micros = .milliseconds(10)
    static let backoffMax: Micros = .milliseconds(500)

    init(kind: PeerChannelKind) { self.kind = kind }
}

/// Connections, as the peer transport and its links keep them.
extension SimulatedProcess {
    /// Dials a machine for a member that has become a peer, and lets go of whom it looked for there
    /// before.
    func want(_ peer: Int, _ id: NodeID) {
        let before = peers[peer].id
        guard before != id else { return }
        peers[peer].id = id
        if before != .none {
            sending[peer]?.finish(false)
            world.network.closeAll(
                between: machine.index, and: peer, by: machine.index, sparing: id)
            for link in peers[peer].links {
                link.connection = nil
                link.isReady = false
            }
        }
        guard id != .none else { return }
        for link in peers[peer].links {
            link.backoff = PeerLink.backoffMin
            dial(peer, link)
        }
    }

    private func dial(_ peer: Int, _ link: PeerLink) {
        guard !link.isDialling, link.connection == nil, isAlive, peers[peer].isWanted else {
            return
        }
        link.isDialling = true
        world.network.dial(self, to: peer, link.kind) { [unowned self] result in
            link.isDialling = false
            switch result {
            case .connected(let connection) where !peers[peer].isWanted:
                world.network.close(connection, by: machine.index)
            case .connected(let connection):
                link.connection = connection
                connection.link = link
                sayHello(on: connection)
            case .refused:
                peers[peer].refusedSinceHeard = true
                reportIfGone(peer)
                redialLater(peer, link)
            case .failed: redialLater(peer, link)
            }
        }
    }

    private func redialLater(_ peer: Int, _ link: PeerLink) {
        let wait = link.backoff
        link.backoff = min(PeerLink.backoffMax, wait * 2)
        link.redial += 1
        let redial = link.redial
        after(wait, .dial) { [unowned self] in
            if link.redial == redial { dial(peer, link) }
        }
    }

    private func dialSoon(_ peer: Int) {
        for link in peers[peer].links where link.connection == nil && !link.isDialling {
            link.redial += 1
            link.backoff = PeerLink.backoffMin
            dial(peer, link)
        }
    }

    /// Says hello to everybody once more: what this node offers has changed.
    func redialAll() {
        for peer in peers.indices where peer != machine.index {
            for link in peers[peer].links {
                guard let connection = link.connection else { continue }
                world.network.close(connection, by: machine.index)
                closed(connection)
            }
        }
    }

    func sayHello(on connection: Connection) {
        let asked = peers[connection.acceptor].id
        connection.link?.asked = asked
        let hello = PeerHello(
            from: identity, to: asked,
            currentTerm: replica.raft.term, lastTerm: replica.raft.lastTerm,
            lastIndex: replica.raft.lastIndex,
            channel: connection.kind, clusterLevel: replica.store.members.clusterLevel)
        world.network.send(connection, fromDialler: true, hello.encode())
    }

    func send(_ message: PeerMessage, to peer: NodeID) {
        guard isAlive else { return }
        world.rules.sending(message, from: machine, to: peer)
        guard let target = world.machine(of: peer)?.index else { return }
        let link = peers[target].links[message.isUrgent ? 1 : 0]
        guard link.isReady, let connection = link.connection else { return }
        var writer = ByteWriter(capacity: 256)
        message.encode(into: &writer)
        world.network.send(connection, fromDialler: true, writer.bytes)
    }

    func received(_ frame: [UInt8], on connection: Connection, fromDialler: Bool) {
        guard isAlive else { return }
        if !fromDialler { return receivedBack(frame, on: connection) }
        let peer = connection.dialler
        guard connection.isGreeted else {
            guard let hello = try? PeerHello.decode(frame) else {
                return world.violated(
                    "P2 peers decode each other", "a hello of \(frame.count) bytes")
            }
            connection.isGreeted = true
            connection.sender = hello.sender
            world.network.forgetOtherLives(of: connection)
            return judge(hello, on: connection)
        }
        // A snapshot that is not wanted now was turned away; what is still on its way is nothing.
        if connection.kind == .snapshot {
            connection.reception?.take(frame)
            return
        }
        var reader = ByteReader(frame)
        let message: PeerMessage
        do throws(DecodingError) {
            message = try PeerMessage.decode(from: &reader)
        } catch {
            return world.violated(
                "P2 peers decode each other",
                "n\(peer + 1) sends n\(machine.index + 1) \(frame.count) bytes, kind"
                    + " \(frame.prefix(2)): \(error)")
        }
        let id = connection.sender
        if case .raft(let raft) = message {
            gate.note(raft, from: id, replica.view, replica.raft.log)
        }
        step(.received(message, from: id))
    }

    private func receivedBack(_ frame: [UInt8], on connection: Connection) {
        if let transfer = connection.transfer { return transfer.received(frame) }
        // What arrives on a connection that this side has closed is read by nobody.
        guard let link = connection.link, link.connection === connection, !link.isReady,
            let welcome = try? PeerWelcome.decode(frame)
        else { return }
        let peer = connection.acceptor
        if welcome.verdict.isWelcome {
            link.isReady = true
            link.backoff = PeerLink.backoffMin
        } else {
            world.network.close(connection, by: machine.index)
            link.connection = nil
            redialLater(peer, link)
        }
        peers[peer].refusedSinceHeard = false
        welcomed(by: link.asked, welcome)
    }

    private func welcomed(by peer: NodeID, _ welcome: PeerWelcome) {
        switch gate.welcomed(by: peer, welcome) {
        case .nothing: break
        case .admitted: admitted()
        case .rejected:
            world.counters.count(CoverageMark.diskBehind)
            world.rules.rejected(machine, welcome)
            step(.votingAllowed(false))
            if world.settings.rejoins { lostDisk = welcome.reason }
            leaveIfDiskLost()
        case .refused:
            if welcome.verdict == .unknownMember, world.settings.changesMembers { break }
            // Its server has come back under another id, which this node does not know yet.
            if welcome.verdict == .wrongMember, world.machine(of: peer) == nil { break }
            let isOutdated = world.machine(of: peer)?.isOutdated ?? false
            if welcome.verdict == .levelTooHigh, isOutdated { break }
            world.violated("P1 peers welcome each other", "\(peer) said \(welcome.reason)")
        case .removed: halt(.replica(.removed))
        case .outdated:
            halt(.replica(.outdated(known: identity.level, reason: welcome.reason)))
        }
    }

    func leaveIfDiskLost() {
        guard let lostDisk, replica.view.leader != nil else { return }
        halt(.replica(.diskLost(reason: lostDisk)))
    }

    func admitted() {
        world.rules.admitted(machine)
        step(.votingAllowed(true))
    }

    private func judge(_ hello: PeerHello, on connection: Connection) {
        let others = peers.filter(\.isWanted).map(\.id)
        let judged = gate.judge(
            hello, peers: others, replica.raft, members: replica.store.members)
        let answer = { [unowned self] in
            world.network.send(connection, fromDialler: false, judged.welcome.encode())
            if judged.welcome.verdict.isWelcome {
                want(connection.dialler, hello.sender)
                admit(connection)
            }
        }
        guard judged.mustRememberFirst else { return answer() }
        let (records, ticket) = gate.memory.takeRecords()
        answersWaiting.append((ticket, answer))
        submit(.remember(records, ticket))
    }

    private func admit(_ connection: Connection) {
        guard connection.isOpen else { return }
        if connection.kind == .snapshot { return snapshotArriving(on: connection) }
        dialSoon(connection.dialler)
        peers[connection.dialler].inboundOpen += 1
        peers[connection.dialler].refusedSinceHeard = false
        connection.isCounted = true
    }

    func closed(_ connection: Connection) {
        guard isAlive else { return }
        world.counters.count(CoverageMark.connectionBroken)
        if connection.dialler == machine.index {
            if let transfer = connection.transfer { return transfer.finish(false) }
            guard let link = connection.link, link.connection === connection else { return }
            let wasReady = link.isReady
            link.connection = nil
            link.isReady = false
            let peer = connection.acceptor
            step(.peerUnreachable(peers[peer].id))
            if wasReady { dial(peer, link) } else { redialLater(peer, link) }
            return
        }
        connection.reception?.abandon()
        guard connection.isCounted else { return }
        connection.isCounted = false
        peers[connection.dialler].inboundOpen -= 1
        reportIfGone(connection.dialler)
    }

    /// Evidence that a process is gone: no connection is left, and a redial was refused since.
    private func reportIfGone(_ peer: Int) {
        let known = peers[peer]
        guard known.refusedSinceHeard, known.inboundOpen == 0,
            !known.links.contains(where: { $0.connection != nil })
        else { return }
        world.counters.count(CoverageMark.connectionRefused)
        step(.connectionRefused(peers[peer].id))
    }
}
