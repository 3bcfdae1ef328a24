package import Primitives
package import RaftCore
package import StateMachine

/// Who may speak to this node, and whether its peers let it take part (DESIGN §5, amnesia; §9).
package struct PeerGate: Sendable {
    package let identity: PeerIdentity
    package var memory: PeerRecollection
    package var admission: Admission

    package init(identity: PeerIdentity, memory: PeerRecollection, admission: Admission) {
        self.identity = identity
        self.memory = memory
        self.admission = admission
        // Whoever begins a cluster alone is admitted by nobody, and is to know so once others vote.
        if admission.isAdmitted { self.memory.admitted() }
    }

    /// Whether this node takes part: it is admitted, and would know so after a restart. Peers that
    /// count on it may be the last that were there to admit it.
    package var isAdmitted: Bool {
        admission.isAdmitted && (admission.needsNobody || memory.keepsItsAdmission)
    }

    /// Admitted just now. True where that is known for good.
    private mutating func admitted() -> Bool {
        memory.admitted()
        #if KEELSON_MUTANTS
            if planted(.takesPartTooEarly) { return true }
        #endif
        return memory.keepsItsAdmission
    }

    /// The records that were taken with this ticket are durable. True where that lets this node
    /// take part: step `.votingAllowed(true)`.
    package mutating func remembered(_ ticket: PeerMemoryTicket) -> Bool {
        memory.remembered(ticket) && admission.isAdmitted
    }

    /// The answer to a peer's hello. Where `mustRememberFirst`, it may leave only once what
    /// ``PeerRecollection/takeRecords()`` gives is durable.
    package mutating func judge(
        _ hello: PeerHello, peers: [NodeID], _ raft: RaftCore,
        members: MemberTable = MemberTable()
    ) -> (welcome: PeerWelcome, mustRememberFirst: Bool) {
        var welcome = PeerWelcome(
            verdict: .known, sender: identity.memberID, boot: identity.boot,
            nonce: identity.nonce,
            remembered: PeerMark(boot: .zero, term: .zero, index: .zero), reason: "")
        // Without a leader a node may not know all members yet, and whom it does not know may be
        // the next one (dissertation §4.1).
        let isCertain = raft.leader != nil && raft.leader != hello.sender
        var isRemoved = members.isRemoved(hello.sender) && raft.isOut(hello.sender)
        #if KEELSON_MUTANTS
            if planted(.sendsAwayTooEarly) { isRemoved = members.isRemoved(hello.sender) }
            if planted(.neverSaysRemoved) { isRemoved = false }
            if planted(.saysWrongMemberFirst), hello.receiver != identity.memberID {
                isRemoved = false
            }
        #endif
        let refusal =
            refusal(of: hello, peers: isCertain ? peers : nil, isRemoved: isRemoved)
            ?? refusal(ofLevelIn: hello, members.clusterLevel)
        if let refusal {
            welcome.verdict = refusal.verdict
            welcome.reason = refusal.reason
            return (welcome, false)
        }
        #if KEELSON_MUTANTS
            let learns = !planted(.knowsOnlyWhomItMet)
        #else
            let learns = true
        #endif
        if learns, let record = members[hello.sender] { memory.learn(record) }
        let judged = memory.judge(hello) { mark in
            raft.term(at: mark.index).map { $0 != mark.term } ?? false
        }
        welcome.verdict = judged.verdict
        welcome.remembered = judged.remembered
        welcome.reason = judged.reason
        welcome.voters = raft.configuration.voters
        welcome.configurationIndex = raft.configurationIndex
        return (welcome, judged.isNew)
    }

    /// The answer to a caller that is refused whatever it says.
    package func refusal(_ reason: String) -> PeerWelcome {
        PeerWelcome(
            verdict: .unknownMember, sender: identity.memberID, boot: identity.boot,
            nonce: identity.nonce,
            remembered: PeerMark(boot: .zero, term: .zero, index: .zero), reason: reason)
    }

    private func refusal(
        of hello: PeerHello, peers: [NodeID]?, isRemoved: Bool
    ) -> (verdict: PeerVerdict, reason: String)? {
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
        // Whomever it looked for: it may know only members that are gone, all of them.
        if isRemoved {
            return (
                .removedMember, "member \(hello.sender) was removed from this cluster"
            )
        }
        if hello.receiver != identity.memberID {
            return (
                .wrongMember,
                "this is member \(identity.memberID), the caller wants \(hello.receiver): "
                    + "check the peer URLs in --initial-cluster"
            )
        }
        if let peers, !peers.contains(hello.sender) {
            return (.unknownMember, "member \(hello.sender) is not in this cluster")
        }
        return nil
    }

    /// Nobody speaks with a node that would have to stop at what is said.
    private func refusal(
        ofLevelIn hello: PeerHello, _ clusterLevel: FeatureLevel
    ) -> (verdict: PeerVerdict, reason: String)? {
        if hello.level < clusterLevel {
            return (
                .levelTooLow,
                "the cluster is at feature level \(clusterLevel), member \(hello.sender) knows "
                    + "level \(hello.level) at most"
            )
        }
        if hello.clusterLevel > identity.level {
            return (
                .levelTooHigh,
                "this node knows feature level \(identity.level) at most, the cluster is at "
                    + "level \(hello.clusterLevel)"
            )
        }
        return nil
    }

    /// What a peer's answer to this node's hello changes.
    package enum Change: Equatable, Sendable {
        case nothing
        /// A majority knows this disk as current, which is durable: step `.votingAllowed(true)`.
        case admitted
        /// The disk is an older one: step `.votingAllowed(false)`.
        case rejected
        /// The peer wants no connection.
        case refused
        /// The cluster has removed this member.
        case removed
        /// The cluster is at a feature level that this node does not know.
        case outdated
    }

    package mutating func welcomed(by peer: NodeID, _ welcome: PeerWelcome) -> Change {
        switch welcome.verdict {
        case .neverHeard, .known:
            let isNews = admission.accept(
                peer, voters: welcome.voters, at: welcome.configurationIndex)
            return isNews && admitted() ? .admitted : .nothing
        case .behind: return admission.reject() ? .rejected : .nothing
        case .removedMember: return .removed
        case .levelTooLow: return .outdated
        case .wrongCluster, .wrongMember, .unknownMember, .unsupportedProtocol, .levelTooHigh:
            return .refused
        }
    }

    /// The configuration in force is another one. True where that makes it admitted: step
    /// `.votingAllowed(true)`.
    package mutating func follow(
        _ configuration: ClusterConfiguration, at index: LogIndex = .zero
    ) -> Bool {
        guard admission.follow(configuration.voters, at: index) else { return false }
        #if KEELSON_MUTANTS
            if planted(.missesItsAdmission) { return false }
        #endif
        return admitted()
    }

    /// What a follower acknowledged it must still have after a restart, and the term that it spoke
    /// in too. Which entry it acknowledged only its leader knows.
    /// - Parameters:
    ///   - view: of this node's replica, and `log` its log: parts, for one is told of each message.
    package mutating func note(
        _ message: Message, from peer: NodeID, _ view: ReplicaView, _ log: LogWindow
    ) {
        if message.isOfDurableTerm { memory.spoke(peer, in: message.term) }
        guard let index = message.acknowledgedIndex, view.role == .leader,
            message.term == view.term, let term = log.term(at: index)
        else { return }
        memory.acknowledged(by: peer, term: term, index: index)
    }
}
