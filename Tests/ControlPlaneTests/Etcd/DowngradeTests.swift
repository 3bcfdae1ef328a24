import API
import ControlPlane
import Primitives
import RPC
import StateMachine
import SwiftProtobuf
import Testing

@Suite("Maintenance.Downgrade (ETCD §1; decision 0009)")
struct DowngradeTests {
    private static let path = "/etcdserverpb.Maintenance/Downgrade"
    private static let badFormat = RPCStatus(
        .invalidArgument, "etcdserver: wrong downgrade target version format")
    private static let badTarget = RPCStatus(
        .invalidArgument, "etcdserver: invalid downgrade target version")
    private static let inProgress = RPCStatus(
        .failedPrecondition, "etcdserver: cluster has a downgrade job in progress")
    private static let noJob = RPCStatus(
        .failedPrecondition, "etcdserver: no inflight downgrade job")

    private func request(
        _ action: EtcdDowngradeRequest.DowngradeAction, _ version: String = ""
    ) -> EtcdDowngradeRequest {
        .with {
            $0.action = action
            $0.version = version
        }
    }

    private func raise(_ etcd: EtcdHarness) async throws {
        try await etcd.onLoop { node in
            let attributes = MemberAttributes(
                member: node.memberID, name: "n", clientURLs: [], peerURLs: [], version: "1",
                level: .newest)
            node.propose(.memberAttributes, proposedID: 0, body: attributes.encode(), as: .node) {
                _ in
            }
            node.propose(
                .clusterLevel, proposedID: 0, body: ClusterLevelCommand.encode(.newest), as: .node
            ) { _ in }
        }
    }

    private func info(_ etcd: EtcdHarness) async throws -> EtcdDowngradeInfo {
        try await etcd.call(
            "/etcdserverpb.Maintenance/Status", EtcdStatusRequest(), EtcdStatusResponse.self
        ).downgradeInfo
    }

    @Test("a target has to be a version, one minor below the cluster's")
    func targets() async throws {
        try await EtcdHarness.run { etcd in
            try await raise(etcd)
            for action in [EtcdDowngradeRequest.DowngradeAction.validate, .enable] {
                for text in ["", "3", "x", "3.x", "3.6.", ".6", "3.6.0.0", "-3.6", "3..6", "v3.6"] {
                    let status = try await etcd.failure(Self.path, request(action, text))
                    #expect(status == Self.badFormat, "\(text)")
                }
                for text in ["3.7", "3.7.0", "3.5", "3.8", "2.6", "4.6", "0.0"] {
                    let status = try await etcd.failure(Self.path, request(action, text))
                    #expect(status == Self.badTarget, "\(text)")
                }
            }
            for text in ["3.6", "3.6.0", "3.6.9", "3.6.0-rc.1"] {
                let answer = try await etcd.call(
                    Self.path, request(.validate, text), EtcdDowngradeResponse.self)
                #expect(answer.version == "3.7.0" && answer.hasHeader)
            }
            #expect(try await info(etcd).enabled == false)
        }
    }

    @Test("a job is recorded and shown until it is cancelled, and changes no version")
    func job() async throws {
        try await EtcdHarness.run { etcd in
            try await raise(etcd)
            #expect(try await etcd.failure(Self.path, request(.cancel)) == Self.noJob)
            let begun = try await etcd.call(
                Self.path, request(.enable, "3.6"), EtcdDowngradeResponse.self)
            #expect(begun.version == "3.7.0")
            let shown = try await info(etcd)
            #expect(shown.enabled && shown.targetVersion == "3.6.0")
            for action in [EtcdDowngradeRequest.DowngradeAction.validate, .enable] {
                let status = try await etcd.failure(Self.path, request(action, "3.6"))
                #expect(status == Self.inProgress)
            }
            let status = try await etcd.call(
                "/etcdserverpb.Maintenance/Status", EtcdStatusRequest(), EtcdStatusResponse.self)
            #expect(status.version == "3.7.0")
            let ended = try await etcd.call(
                Self.path, request(.cancel), EtcdDowngradeResponse.self)
            #expect(ended.version == "3.7.0")
            #expect(try await info(etcd) == EtcdDowngradeInfo())
        }
    }

    @Test("while the cluster's level does not allow jobs none is recorded")
    func notYet() async throws {
        try await EtcdHarness.run { etcd in
            _ = try await etcd.call(
                Self.path, request(.validate, "3.6"), EtcdDowngradeResponse.self)
            let status = try await etcd.failure(Self.path, request(.enable, "3.6"))
            #expect(status == RPCStatus(.failedPrecondition, "etcdserver: not capable"))
            #expect(try await etcd.failure(Self.path, request(.cancel)) == Self.noJob)
            let unknown = request(.UNRECOGNIZED(9))
            #expect(
                try await etcd.failure(Self.path, unknown)
                    == RPCStatus(.unknown, "etcdserver: unknown method"))
        }
    }
}
