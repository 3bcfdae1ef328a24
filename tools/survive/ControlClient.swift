internal import LocalCluster
internal import NIOCore
internal import RPC

/// Calls that wait for their answer, for the thread that directs the run.
final class ControlClient: Sendable {
    private let loop: any EventLoop

    init(loop: any EventLoop) { self.loop = loop }

    /// One call on a connection of its own.
    func call(
        _ node: ServerNode, _ path: String, _ message: [UInt8], seconds: Int64 = 20
    ) throws -> [UInt8] {
        try RPCClient.connect(host: node.host, port: node.clientPort, on: loop)
            .flatMap { client in
                let promise = client.eventLoop.makePromise(of: [UInt8].self)
                client.unary(path, message, timeout: .seconds(seconds)) { result in
                    promise.completeWith(result.mapError { $0 as any Error })
                    client.close()
                }
                return promise.futureResult
            }.wait()
    }

    /// The node that leads, as the nodes that run say it; nil when they do not agree on one of
    /// them.
    func leader(of cluster: ServerCluster) -> ServerNode? {
        var leaders: Set<UInt64> = []
        var byMember: [UInt64: ServerNode] = [:]
        for node in cluster.nodes where node.isRunning {
            guard let answer = try? call(node, EtcdMessages.status, [], seconds: 2),
                let status = try? ProtobufFields(answer), let header = try? status.message(1)
            else { continue }
            byMember[header.unsigned(2)] = node
            leaders.insert(status.unsigned(4))
        }
        guard leaders.count == 1, let leader = leaders.first else { return nil }
        return byMember[leader]
    }

    func waitForLeader(of cluster: ServerCluster, _ limit: Duration = .seconds(20)) throws
        -> ServerNode
    {
        let found = Patience.wait(limit, pauseMilliseconds: 20) { leader(of: cluster) }
        guard let found else {
            throw LocalClusterError.noLeader(
                seconds: limit.milliseconds / 1e3, logs: cluster.logTails())
        }
        return found
    }

    private func status(of node: ServerNode) throws -> ProtobufFields {
        try ProtobufFields(call(node, EtcdMessages.status, [], seconds: 5))
    }

    /// What a node complains of.
    func troubles(of node: ServerNode) throws -> [String] { try status(of: node).texts(8) }

    /// The member that a node is, and whether it votes.
    func identity(of node: ServerNode) throws -> (member: UInt64, isVoter: Bool) {
        let status = try status(of: node)
        return (try status.message(1).unsigned(2), status.unsigned(10) == 0)
    }

    func addMember(
        _ added: ServerNode, through node: ServerNode, asLearner: Bool = false
    ) throws {
        _ = try call(
            node, EtcdMessages.memberAdd,
            EtcdMessages.memberAddRequest(peerURL: added.peerURL, asLearner: asLearner))
    }

    func removeMember(_ member: UInt64, through node: ServerNode) throws {
        _ = try call(
            node, EtcdMessages.memberRemove, EtcdMessages.memberRemoveRequest(member))
    }

    func memberCount(through node: ServerNode) throws -> Int {
        try ProtobufFields(call(node, EtcdMessages.memberList, [])).messages(2).count
    }

    func term(of node: ServerNode) throws -> UInt64 { try status(of: node).unsigned(6) }

    func appliedIndex(of node: ServerNode) throws -> UInt64 { try status(of: node).unsigned(7) }

    /// Everything that a node holds at a revision, in the order of the keys.
    func everything(
        on node: ServerNode, at revision: Int64, pageKeys: Int64
    ) throws -> [KeyValue] {
        var found: [KeyValue] = []
        var start: [UInt8] = [0]
        while true {
            let request = EtcdMessages.rangeRequest(
                from: start, revision: revision, limit: pageKeys)
            let answer = try ProtobufFields(call(node, EtcdMessages.range, request, seconds: 60))
            let page = try answer.messages(2).map { KeyValue($0) }
            found += page
            guard answer.unsigned(3) != 0, let last = page.last else { return found }
            start = last.key + [0]
        }
    }

    /// The store's revision, by a linearizable read.
    func revision(of node: ServerNode) throws -> Int64 {
        let request = EtcdMessages.rangeRequest(from: [0], revision: 0, limit: 1)
        return try ProtobufFields(call(node, EtcdMessages.range, request)).message(1).int(3)
    }

    /// The history from revision 2 through `last`, as a watch tells it.
    func history(on node: ServerNode, through last: Int64) throws -> [HistoryEvent] {
        let collector = HistoryCollector(last: last, loop: loop)
        return try RPCClient.connect(host: node.host, port: node.clientPort, on: loop)
            .flatMap { client in collector.collect(client) }.wait()
    }
}

/// One event of the watch, reduced to what is checked.
struct HistoryEvent: Sendable {
    var isPut: Bool
    var key: [UInt8]
    var modRevision: Int64
}

/// Collects a watch's events up to a revision. Confined to the loop, hence `@unchecked Sendable`.
private final class HistoryCollector: @unchecked Sendable {
    private let last: Int64
    private var events: [HistoryEvent] = []
    private let promise: EventLoopPromise<[HistoryEvent]>

    init(last: Int64, loop: any EventLoop) {
        self.last = last
        promise = loop.makePromise()
    }

    func collect(_ client: RPCClient) -> EventLoopFuture<[HistoryEvent]> {
        let stream = client.stream(
            EtcdMessages.watch, timeout: .seconds(120),
            onMessage: { self.received($0) },
            onEnd: { self.promise.fail($0) })
        stream?.send(EtcdMessages.watchRequest(from: 2))
        return promise.futureResult.always { _ in
            client.eventLoop.execute { client.abort() }
        }
    }

    private func received(_ message: [UInt8]) {
        do {
            let response = try ProtobufFields(message)
            if response.unsigned(4) != 0 {
                promise.fail(RPCStatus(.cancelled, "the watch was cancelled by the server"))
                return
            }
            for event in try response.messages(11) {
                let pair = KeyValue(try event.message(2))
                events.append(
                    HistoryEvent(
                        isPut: event.unsigned(1) == 0, key: pair.key, modRevision: pair.modRevision)
                )
            }
            if let newest = events.last, newest.modRevision >= last { promise.succeed(events) }
        } catch {
            promise.fail(error)
        }
    }
}
