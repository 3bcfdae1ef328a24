internal import Primitives
internal import RaftCore
internal import Replication
internal import StateMachine

extension ClusterOverview {
    /// On the node's event loop.
    init(_ node: Node) {
        self.init()
        let status = node.status()
        let view = node.replica.view
        memberID = node.memberID
        clusterID = node.clusterID.rawValue
        name = node.configuration.name
        role = node.isLearner ? "learner" : "\(view.role)"
        leader = node.leader
        term = node.term.rawValue
        revision = node.store.revision.rawValue
        compactedRevision = node.store.compactedRevision.rawValue
        recordsCompactedRevision = node.store.compactedRevision(of: .datacenter).rawValue
        commitIndex = node.committedIndex.rawValue
        appliedIndex = node.appliedIndex.rawValue
        durableIndex = view.durableIndex.rawValue
        lastIndex = view.lastIndex.rawValue
        keyCount = node.store.keyCount
        bytesInUse = status.databaseBytesInUse
        quotaBytes = status.quotaBytes
        leaderChangesSeen = status.leaderChangesSeen
        proposalsPending = status.proposalsPending
        syncDurations = status.logSyncDurations
        troubles =
            status.errors
            + node.store.alarms.raised.map { "alarm \($0.kind.name) of member \($0.member)" }
        clusterLevel = Int(node.store.members.clusterLevel.rawValue)
        dataDirectory = node.configuration.dataDirectory
        offices = Self.offices(node.store)
        members = members(node)
    }

    /// Who led since the records began, as far as they are kept.
    private static func offices(_ store: Store) -> [Office] {
        store.versions(of: RecordKeys.master.storage, max: officesMax).compactMap { version in
            guard !version.isTombstone, let record = version.withValue({ MasterRecord($0) })
            else { return nil }
            return Office(record: record, revision: version.modRevision)
        }
    }

    private func members(_ node: Node) -> [Member] {
        let progress = node.replica.raft.progress
        return node.members().map { summary in
            var member = Member(id: summary.id)
            member.name = summary.name
            member.isLearner = summary.isLearner
            member.clientURLs = summary.clientURLs
            member.peerURLs = summary.peerURLs
            let record = node.store.members.records.first { $0.id == summary.id }
            member.level = Int(record?.level.rawValue ?? 0)
            if summary.id != node.memberID {
                member.isConnected = node.transport.isConnected(summary.id)
            }
            if let known = progress.first(where: { $0.id == summary.id }) {
                member.matchIndex = known.matchIndex.rawValue
                member.isActive = known.isRecentlyActive
            }
            place(&member, node.configuration)
            return member
        }
    }

    /// Where the member serves HTTP is known of those who have led; of the others it is supposed,
    /// for whoever looks for a node that answers will see whether it does.
    private func place(_ member: inout Member, _ configuration: ServerConfiguration) {
        let led = offices.first { $0.record.member == member.id.rawValue }
        let url = led.map { String(decoding: $0.record.url, as: UTF8.self) } ?? ""
        if let place = ServicePlace(url) {
            member.httpAuthority = place.authority
            return
        }
        guard let http = configuration.advertisedHTTPURL else { return }
        if member.id == memberID {
            member.httpAuthority = ServicePlace(host: http.host, port: http.port).authority
            return
        }
        guard let own = configuration.advertiseClientURLs.first,
            let client = member.clientURLs.lazy.compactMap({ ServicePlace($0) }).first
        else { return }
        let port = client.port + http.port - own.port
        guard (1...65_535).contains(port) else { return }
        member.httpAuthority = ServicePlace(host: client.host, port: port).authority
        member.isHTTPGuessed = true
    }
}
