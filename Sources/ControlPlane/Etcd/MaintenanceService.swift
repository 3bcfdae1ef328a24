internal import API
internal import Primitives
internal import RPC
internal import StateMachine
internal import SwiftProtobuf

/// etcdserverpb.Maintenance, as far as there is something to maintain.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class MaintenanceService: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private let largeRanges: LargeRanges
    private let wholeReads: WholeReads

    init(node: any NodeFacade, largeRanges: LargeRanges, wholeReads: WholeReads) {
        self.node = node
        self.wholeReads = wholeReads
        self.largeRanges = largeRanges
    }

    func register(in routes: inout RPCRoutes) {
        let service = "/etcdserverpb.Maintenance/"
        routes.unary(service + "Status", EtcdStatusRequest.self) { call, _ in self.status(call) }
        routes.unary(service + "Alarm") { self.alarm($0, $1) }
        routes.unary(service + "Defragment", EtcdDefragmentRequest.self) { call, _ in
            self.defragment(call)
        }
        routes.unary(service + "Hash", EtcdHashRequest.self) { call, _ in
            self.hash(call, revision: 0) { header, hash in
                var response = EtcdHashResponse()
                response.header = header
                response.hash = hash
                call.respond(response)
            }
        }
        routes.unary(service + "HashKV", EtcdHashKVRequest.self) { self.hashKV($0, $1) }
        routes.stream(service + "Snapshot") { call in
            SnapshotCall(
                call: call, node: self.node, thread: self.largeRanges, wholeReads: self.wholeReads)
        }
        routes.unary(service + "MoveLeader", EtcdMoveLeaderRequest.self) {
            self.moveLeader($0, $1)
        }
        routes.unary(service + "Downgrade", EtcdDowngradeRequest.self) { self.downgrade($0, $1) }
    }

    /// The answer has no header, as in etcd.
    private func moveLeader(_ call: ServerCall, _ request: EtcdMoveLeaderRequest) {
        node.transferLeadership(to: NodeID(request.targetID)) { outcome in
            switch outcome {
            case .moved: call.respond(EtcdMoveLeaderResponse())
            case .notLeader:
                call.finish(RPCStatus(.failedPrecondition, "etcdserver: not leader"))
            case .badTarget:
                call.finish(RPCStatus(.failedPrecondition, "etcdserver: bad leader transferee"))
            case .timedOut: call.finish(.timedOut)
            }
        }
    }

    private func status(_ call: ServerCall) {
        if let refusal = node.refusal(of: call, onLearners: true) { return call.finish(refusal) }
        let status = node.status()
        var response = EtcdStatusResponse()
        response.header = node.headerMessage()
        response.version = EtcdVersion.server
        response.dbSize = status.databaseBytes
        response.dbSizeInUse = status.databaseBytesInUse
        response.dbSizeQuota = status.quotaBytes
        response.leader = (status.leader ?? .none).rawValue
        response.raftIndex = status.raftIndex.rawValue
        response.raftTerm = status.term.rawValue
        response.raftAppliedIndex = status.appliedIndex.rawValue
        response.errors =
            status.errors
            + node.store.alarms.raised.map {
                "memberID:\($0.member.rawValue) alarm:\($0.kind.name) "
            }
        response.isLearner = status.isLearner
        response.storageVersion = EtcdVersion.storage
        response.downgradeInfo = .with { info in
            info.enabled = node.store.downgradeTarget != nil
            info.targetVersion = node.store.downgradeTarget ?? ""
        }
        response.featureLevel = UInt32(node.store.known.rawValue)
        response.clusterFeatureLevel = UInt32(node.store.members.clusterLevel.rawValue)
        call.respond(response)
    }

    /// Looking is a linearizable read here; etcd proposes it.
    private func alarm(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        guard let request = try? body.withUnsafeBytes({ try AlarmRequest.decode($0) }) else {
            return call.finish(.malformed)
        }
        if request.action == AlarmRequest.Action.get.rawValue { return listAlarms(call, request) }
        do throws(StoreError) {
            try node.store.requireAdmin(call.principal)
        } catch {
            return call.finish(error.status)
        }
        node.propose(.alarm, proposedID: 0, body: body, as: call.principal) { [node] outcome in
            guard let applied = call.applied(outcome) else { return }
            guard case .alarms(let alarms) = applied.outcome else {
                return call.finish(.unexpectedOutcome)
            }
            Self.respond(call, alarms, header: node.headerMessage(revision: applied.revision))
        }
    }

    private func listAlarms(_ call: ServerCall, _ request: AlarmRequest) {
        node.linearizableRead { [node] failure in
            if let failure { return call.finish(failure.status) }
            let alarms = node.store.alarms.raised.filter {
                request.alarm == 0 || request.alarm == $0.kind.rawValue
            }
            Self.respond(call, alarms, header: node.headerMessage())
        }
    }

    private static func respond(
        _ call: ServerCall, _ alarms: [AlarmMember], header: EtcdResponseHeader
    ) {
        var response = EtcdAlarmResponse()
        response.header = header
        response.alarms = alarms.map { alarm in
            var message = EtcdAlarmMember()
            message.memberID = alarm.member.rawValue
            message.alarm = EtcdAlarmType(rawValue: Int(alarm.kind.rawValue)) ?? .none
            return message
        }
        call.respond(response)
    }

    /// Space is given back as it becomes free: there is nothing to wait for. No header, as in etcd.
    private func defragment(_ call: ServerCall) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        call.respond(EtcdDefragmentResponse())
    }
}

/// A downgrade to another version of etcd's API is announced and recorded, and nothing else
/// (docs/decisions/0009-feature-levels-and-the-downgrade-job.md).
extension MaintenanceService {
    private func downgrade(_ call: ServerCall, _ request: EtcdDowngradeRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        node.linearizableRead { [self] failure in
            if let failure { return call.finish(failure.status) }
            switch request.action {
            case .validate: validate(call, request.version) { _ in respond(call) }
            case .enable: enable(call, request.version)
            case .cancel:
                guard node.store.downgradeTarget != nil else {
                    return call.finish(StoreError.noDowngrade.status)
                }
                propose(.cancel, call)
            case .UNRECOGNIZED: call.finish(RPCStatus(.unknown, "etcdserver: unknown method"))
            }
        }
    }

    private func validate(
        _ call: ServerCall, _ text: String, _ then: (DowngradeTarget) -> Void
    ) {
        switch DowngradeTarget.checked(text, clusterVersion: node.status().clusterVersion) {
        case .failure(let refusal): call.finish(refusal)
        case .success where node.store.downgradeTarget != nil:
            call.finish(StoreError.downgradeInProgress.status)
        case .success(let target): then(target)
        }
    }

    private func enable(_ call: ServerCall, _ text: String) {
        validate(call, text) { target in
            guard node.store.members.clusterLevel >= CommandKind.downgrade.level else {
                return call.finish(.notCapable)
            }
            propose(.enable(target: target.description), call)
        }
    }

    private func propose(_ request: DowngradeRequest, _ call: ServerCall) {
        node.propose(.downgrade, proposedID: 0, body: request.encode(), as: call.principal) {
            [self] outcome in
            guard call.applied(outcome) != nil else { return }
            respond(call)
        }
    }

    private func respond(_ call: ServerCall) {
        var response = EtcdDowngradeResponse()
        response.header = node.headerMessage()
        response.version = node.status().clusterVersion
        call.respond(response)
    }
}

extension MaintenanceService {
    private func hashKV(_ call: ServerCall, _ request: EtcdHashKVRequest) {
        let compactRevision = node.store.compactedRevision.rawValue
        let revision = request.revision > 0 ? request.revision : node.store.revision.rawValue
        hash(call, revision: revision) { header, hash in
            var response = EtcdHashKVResponse()
            response.header = header
            response.hash = hash
            response.compactRevision = compactRevision
            response.hashRevision = revision
            call.respond(response)
        }
    }

    /// A CRC-32C over the clients' live pairs at a revision, in key order. Members agree on it;
    /// etcd's own hash of its file format is another.
    private func hash(
        _ call: ServerCall, revision: Int64, _ done: @escaping (EtcdResponseHeader, UInt32) -> Void
    ) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        var everything = RangeRequest(key: [0], rangeEnd: [0])
        everything.revision = revision
        let header = node.headerMessage()
        do throws(StoreError) {
            let scan = try node.store.makeScan(everything)
            guard wholeReads.enter() else { return call.finish(.tooManyRequests) }
            let isTaken = largeRanges.run(
                for: call,
                { [wholeReads] hash in
                    wholeReads.leave()
                    done(header, hash)
                },
                {
                    var scan = scan
                    return Self.hash(&scan)
                })
            if !isTaken { wholeReads.leave() }
        } catch {
            call.finish(error.status)
        }
    }

    private static func hash(_ scan: inout RangeScan) -> UInt32 {
        var hash: UInt32 = 0
        while !scan.isDone {
            for record in scan.next(recordsMax: 256) {
                var writer = ProtobufWriter(capacity: record.keyValueByteCount())
                record.encodeKeyValue(into: &writer)
                hash = Checksum.crc32c(writer.bytes, seed: hash)
            }
        }
        return hash
    }
}

/// What this server calls itself towards clients that decide by it. Plain numbers only: Patroni
/// parses it.
enum EtcdVersion {
    static let server = KeelsonVersion.etcdCompatible
    static let storage = "3.7.0"
}
