internal import API

extension Cluster {
    /// What a member says of itself: the one that the client talks to. For the status of each, make
    /// a client for each endpoint.
    public func status(timeout: Duration? = nil) async throws(ClusterError) -> MemberStatus {
        let answer: EtcdStatusResponse = try await call(
            "/etcdserverpb.Maintenance/Status", EtcdStatusRequest(), isRead: true, timeout: timeout)
        return MemberStatus(
            header: AnswerHeader(answer.header), endpoint: endpoints[0], version: answer.version,
            storageBytes: answer.dbSize, storageBytesInUse: answer.dbSizeInUse,
            leader: answer.leader, raftIndex: answer.raftIndex,
            raftAppliedIndex: answer.raftAppliedIndex, raftTerm: answer.raftTerm,
            isLearner: answer.isLearner, featureLevel: answer.featureLevel,
            clusterFeatureLevel: answer.clusterFeatureLevel, errors: answer.errors)
    }

    /// The hash of all keys and versions up to a revision; 0 for the newest. Members that are alike
    /// have the same, also after they have compacted to the same revision.
    ///
    /// Of the member that the client talks to: to compare members, make a client for each endpoint.
    public func hash(
        at revision: Int64 = 0, timeout: Duration? = nil
    ) async throws(ClusterError) -> StoreHash {
        var request = EtcdHashKVRequest()
        request.revision = revision
        let answer: EtcdHashKVResponse = try await call(
            "/etcdserverpb.Maintenance/HashKV", request, isRead: true, timeout: timeout)
        return StoreHash(
            header: AnswerHeader(answer.header), value: answer.hash,
            compactedRevision: answer.compactRevision)
    }

    /// Hands leadership to a voter. Only the leader does it: talk to its endpoint.
    public func moveLeader(
        to member: UInt64, timeout: Duration? = nil
    ) async throws(ClusterError) {
        var request = EtcdMoveLeaderRequest()
        request.targetID = member
        let _: EtcdMoveLeaderResponse = try await call(
            "/etcdserverpb.Maintenance/MoveLeader", request, isRead: false, timeout: timeout)
    }

    /// The alarms that are raised.
    public func alarms(timeout: Duration? = nil) async throws(ClusterError) -> AlarmList {
        try await alarm(EtcdAlarmRequest(), isRead: true, timeout: timeout)
    }

    /// Takes an alarm back and answers with those that were.
    @discardableResult
    public func disarm(
        _ alarm: Alarm, timeout: Duration? = nil
    ) async throws(ClusterError) -> AlarmList {
        var request = EtcdAlarmRequest()
        request.action = .deactivate
        request.memberID = alarm.memberID
        switch alarm.kind {
        case .noSpace: request.alarm = .nospace
        case .corrupt: request.alarm = .corrupt
        case .other(let number): request.alarm = EtcdAlarmType(rawValue: number) ?? .none
        }
        return try await self.alarm(request, isRead: false, timeout: timeout)
    }

    private func alarm(
        _ request: EtcdAlarmRequest, isRead: Bool, timeout: Duration?
    ) async throws(ClusterError) -> AlarmList {
        let answer: EtcdAlarmResponse = try await call(
            "/etcdserverpb.Maintenance/Alarm", request, isRead: isRead, timeout: timeout)
        return AlarmList(
            header: AnswerHeader(answer.header),
            alarms: answer.alarms.map {
                switch $0.alarm {
                case .nospace: Alarm(memberID: $0.memberID, kind: .noSpace)
                case .corrupt: Alarm(memberID: $0.memberID, kind: .corrupt)
                case .none, .UNRECOGNIZED:
                    Alarm(memberID: $0.memberID, kind: .other($0.alarm.rawValue))
                }
            })
    }
}
