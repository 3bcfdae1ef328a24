internal import API
internal import Foundation
internal import LocalCluster
internal import NIOCore
internal import Primitives
internal import RPC
internal import Simulation
internal import SwiftProtobuf

/// Calls that wait for their answer, for the thread that directs the run.
struct Control: Sendable {
    let loop: any EventLoop
    let cluster: ServerCluster
    let admin = AdminToken()

    /// What one node says of itself and its leader.
    struct Status {
        var node: Int
        var member: UInt64
        var leader: UInt64
        var term: UInt64
        var applied: UInt64
        var errors: [String]
    }

    /// One call on a connection of its own, by the administrator where there is one.
    func call(
        _ node: Int, _ path: String, _ message: [UInt8], milliseconds: Int64
    ) throws -> [UInt8] {
        guard admin.isNeeded else { return try send(node, path, message, [], milliseconds) }
        if let token = admin.token {
            do {
                return try send(node, path, message, [("token", token)], milliseconds)
            } catch let status as RPCStatus where Session.isSpent(status.message) {
                admin.token = nil
            }
        }
        let login = try Session.request(Self.administrator).serializedBytes() as [UInt8]
        let answer = try send(node, Session.path, login, [], max(milliseconds, 1000))
        let token = try EtcdAuthenticateResponse(serializedBytes: answer).token
        admin.token = token
        return try send(node, path, message, [("token", token)], milliseconds)
    }

    private func send(
        _ node: Int, _ path: String, _ message: [UInt8], _ metadata: Session.Metadata,
        _ milliseconds: Int64
    ) throws -> [UInt8] {
        let server = cluster.nodes[node]
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(milliseconds)
        return try RPCClient.connect(
            host: server.host, port: server.clientPort, on: loop, settings: settings
        ).flatMap { client in
            let promise = client.eventLoop.makePromise(of: [UInt8].self)
            client.unary(
                path, message, metadata: metadata, timeout: .milliseconds(milliseconds)
            ) { result in
                promise.completeWith(result.mapError { $0 as any Error })
                client.close()
            }
            return promise.futureResult
        }.wait()
    }

    func status(of node: Int, milliseconds: Int64 = 300) throws -> Status {
        let bytes = try call(
            node, "/etcdserverpb.Maintenance/Status", [], milliseconds: milliseconds)
        let message = try EtcdStatusResponse(serializedBytes: bytes)
        return Status(
            node: node, member: message.header.memberID, leader: message.leader,
            term: message.raftTerm, applied: message.raftAppliedIndex, errors: message.errors)
    }

    /// The node that leads in the highest term that any of `nodes` knows of.
    func leader(among nodes: [Int]) -> (node: Int, term: UInt64)? {
        let all = nodes.compactMap { try? status(of: $0) }
        guard let newest = all.filter({ $0.leader != 0 }).max(by: { $0.term < $1.term }),
            let leader = all.first(where: { $0.member == newest.leader })
        else { return nil }
        return (leader.node, newest.term)
    }

    /// The store's revision by a linearizable read.
    func revision(of node: Int) throws -> Int64 {
        let request = EtcdRangeRequest.with {
            $0.key = Data([0])
            $0.countOnly = true
        }
        let bytes = try call(
            node, "/etcdserverpb.KV/Range", request.serializedBytes(), milliseconds: 10_000)
        return try EtcdRangeResponse(serializedBytes: bytes).header.revision
    }

    // MARK: - Members

    /// Whether the member is certainly out.
    func removeMember(_ member: UInt64, through node: Int) -> Bool {
        let request = EtcdMemberRemoveRequest.with { $0.id = member }
        return isDone(node, "MemberRemove", request, orAlready: "member not found")
    }

    /// Whether a server at this address may certainly join.
    func addMember(_ peerURL: String, through node: Int) -> Bool {
        let request = EtcdMemberAddRequest.with { $0.peerUrls = [peerURL] }
        return isDone(node, "MemberAdd", request, orAlready: "Peer URLs already exists")
    }

    private func isDone(
        _ node: Int, _ name: String, _ request: some SwiftProtobuf.Message, orAlready text: String
    ) -> Bool {
        do {
            _ = try call(
                node, "/etcdserverpb.Cluster/" + name, request.serializedBytes(),
                milliseconds: 1000)
            return true
        } catch let status as RPCStatus {
            return status.message.contains(text)
        } catch {
            return false
        }
    }

    /// Everything that a node itself holds at a revision.
    func everything(on node: Int, at revision: Int64) throws -> [RecordedPair] {
        let request = EtcdRangeRequest.with {
            $0.key = Data([0])
            $0.rangeEnd = Data([0])
            $0.revision = revision
            $0.serializable = true
        }
        let bytes = try call(
            node, "/etcdserverpb.KV/Range", request.serializedBytes(), milliseconds: 20_000)
        return try EtcdRangeResponse(serializedBytes: bytes).kvs.map(AnswerMessage.pair)
    }

    /// A node's digest of all that it keeps up to a revision; zero is its newest.
    func hash(of node: Int, at revision: Int64) throws -> MemberHash {
        let request = EtcdHashKVRequest.with { $0.revision = revision }
        let bytes = try call(
            node, "/etcdserverpb.Maintenance/HashKV", request.serializedBytes(),
            milliseconds: 20_000)
        let message = try EtcdHashKVResponse(serializedBytes: bytes)
        // Members are compared where the same revision is their last.
        return MemberHash(
            member: node, appliedIndex: UInt64(revision), compactRevision: message.compactRevision,
            hash: UInt64(message.hash))
    }
}
