import API
import ControlPlane
import Foundation
import NIOCore
import Primitives
import RPC
import SwiftProtobuf
import Testing

@Suite(
    "What one user may have, and how often (RELIABILITY §5, A27, A29, A31)",
    .timeLimit(.minutes(2)))
struct LimitsTests {
    private static let tooManyRequests = RPCStatus.tooManyRequests
    private static let tooManyLeases = RPCStatus(.resourceExhausted, "etcdserver: too many leases")

    private func limited(_ change: (inout EtcdLimits) -> Void) -> EtcdServicesOptions {
        var options = EtcdServicesOptions()
        change(&options.limits)
        return options
    }

    /// A client that does not read holds up its own streams, and not the connection.
    private static let smallWindows: RPCClientSettings = {
        var settings = RPCClientSettings()
        settings.streamWindowBytes = 65_535
        return settings
    }()

    private func grant(
        _ etcd: EtcdHarness, _ id: Int64, as user: EtcdHarness.Metadata
    ) async throws -> RPCStatus? {
        var request = EtcdLeaseGrantRequest()
        request.id = id
        request.ttl = 100
        return try await etcd.failure(
            "/etcdserverpb.Lease/LeaseGrant", request, metadata: user)
    }

    private func revoke(
        _ etcd: EtcdHarness, _ id: Int64, as user: EtcdHarness.Metadata
    ) async throws -> RPCStatus? {
        try await etcd.failure(
            "/etcdserverpb.Lease/LeaseRevoke", EtcdLeaseRevokeRequest.with { $0.id = id },
            metadata: user)
    }

    @Test("A27 a user's leases end at the limit; another's, and those that ended, do not count")
    func leasesOfOneUser() async throws {
        let options = limited { ($0.leasesPerUserMax, $0.leasesMax) = (3, 5) }
        try await EtcdHarness.run(options: options) { etcd in
            try await etcd.enableAuth()
            let writer = try await etcd.logIn("writer")
            let reader = try await etcd.logIn("reader")
            for id in [1, 2] as [Int64] { #expect(try await grant(etcd, id, as: writer) == nil) }
            // One that is refused for another reason keeps no room.
            #expect(try await grant(etcd, 1, as: writer)?.code == .failedPrecondition)
            #expect(try await grant(etcd, 3, as: writer) == nil)
            #expect(try await grant(etcd, 4, as: writer) == Self.tooManyLeases)
            #expect(try await grant(etcd, 5, as: reader) == nil)
            #expect(try await revoke(etcd, 2, as: writer) == nil)
            #expect(try await grant(etcd, 4, as: writer) == nil)
            #expect(try await grant(etcd, 6, as: writer) == Self.tooManyLeases)
            #expect(try await grant(etcd, 7, as: reader) == nil)
            // All together have as many as there may be.
            #expect(try await grant(etcd, 8, as: reader) == Self.tooManyLeases)
        }
    }

    @Test("A27 leases of nobody in particular end at the limit of all")
    func leasesOfAll() async throws {
        let options = limited { ($0.leasesPerUserMax, $0.leasesMax) = (1, 3) }
        try await EtcdHarness.run(options: options) { etcd in
            for id in [1, 2, 3] as [Int64] {
                let refusal = try await grant(etcd, id, as: [])
                #expect(refusal == nil)
            }
            let refusal = try await grant(etcd, 4, as: [])
            #expect(refusal == Self.tooManyLeases)
        }
    }

    @Test(
        "A27 a user's watches end at the limit, whatever their streams; those that ended are free")
    func watchesOfOneUser() async throws {
        let options = limited { ($0.watchesPerUserMax, $0.watchesMax) = (2, 3) }
        try await EtcdHarness.run(options: options) { etcd in
            try await etcd.enableAuth()
            let reader = try await etcd.logIn("reader")
            let first = etcd.watch(metadata: reader)
            let second = etcd.watch(metadata: reader)
            func open(_ stream: StreamProbe) async throws -> EtcdWatchResponse {
                try stream.create("a")
                return try await stream.nextWatch()
            }
            #expect(try await open(first).watchID == 0)
            #expect(try await open(second).watchID == 0)
            let refused = try await open(second)
            #expect(refused.created && refused.canceled && refused.watchID == -1)
            #expect(refused.cancelReason == "etcdserver: too many watches")
            try first.cancelWatch(0)
            #expect(try await first.nextWatch().canceled)
            #expect(try await open(second).watchID == 1)
            #expect(try await open(first).canceled)
            // A stream gives back what it had when it ends.
            second.cancel()
            while try await etcd.openWatchStreams() > 1 {}
            #expect(try await open(first).watchID == 1)
            let root = try await etcd.logIn("root")
            let others = etcd.watch(metadata: root)
            #expect(try await open(others).watchID == 0)
            #expect(try await open(first).watchID == 2)
            #expect(try await open(others).canceled)
        }
    }

    /// How a snapshot that is read to its end ends.
    private func snapshot(
        _ etcd: EtcdHarness, as user: EtcdHarness.Metadata
    ) async throws -> RPCStatus {
        let stream = etcd.stream("/etcdserverpb.Maintenance/Snapshot", metadata: user)
        try stream.send(EtcdSnapshotRequest())
        stream.halfClose()
        return try await stream.status()
    }

    @Test("A31 snapshots are for administrators, and for them not without end")
    func snapshotRate() async throws {
        let options = limited { ($0.snapshotsBurst, $0.snapshotsPerSecond) = (3, 0) }
        try await EtcdHarness.run(options: options) { etcd in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            let writer = try await etcd.logIn("writer")
            for _ in 0..<5 {
                #expect(try await snapshot(etcd, as: writer).code == .permissionDenied)
            }
            for path in ["KV/Compact", "Maintenance/Defragment", "Maintenance/Hash"] {
                let refusal = try await etcd.failure(
                    "/etcdserverpb." + path, EtcdStatusRequest(), metadata: writer)
                #expect(refusal?.code == .permissionDenied)
            }
            for _ in 0..<3 { #expect(try await snapshot(etcd, as: root).isOK) }
            #expect(try await snapshot(etcd, as: root) == Self.tooManyRequests)
            #expect(try await etcd.putFails("a", as: root) == nil)
        }
    }

    @Test("A31 few at a time read everything; one that goes away leaves its place")
    func wholeReadsAtATime() async throws {
        let options = limited { $0.wholeReadsMax = 1 }
        try await EtcdHarness.run(options: options, settings: Self.smallWindows) { etcd in
            let value = String(repeating: "v", count: 1000)
            try await etcd.onLoop { node in
                for index in 0..<5000 { node.write("k\(index)", value) }
            }
            let stream = etcd.stream("/etcdserverpb.Maintenance/Snapshot")
            try stream.send(EtcdSnapshotRequest())
            stream.halfClose()
            _ = try await stream.next(EtcdSnapshotResponse.self)
            stream.pauseReading()
            #expect(try await snapshot(etcd, as: []) == Self.tooManyRequests)
            let hash = "/etcdserverpb.Maintenance/HashKV"
            #expect(try await etcd.failure(hash, EtcdHashKVRequest()) == Self.tooManyRequests)
            stream.cancel()
            var refusal: RPCStatus? = Self.tooManyRequests
            while refusal == Self.tooManyRequests {
                refusal = try await etcd.failure(hash, EtcdHashKVRequest())
            }
            #expect(refusal == nil)
            #expect(try await snapshot(etcd, as: []).isOK)
            #expect(try await etcd.failure(hash, EtcdHashKVRequest()) == nil)
        }
    }

    @Test("A29 who reads everything too many times at once is refused; small requests go on")
    func largeRanges() async throws {
        try await EtcdHarness.run(settings: Self.smallWindows) { etcd in
            let value = String(repeating: "v", count: 200)
            try await etcd.onLoop { node in
                for index in 0..<2000 { node.write("k\(index)", value) }
            }
            var request = EtcdRangeRequest()
            request.key = Data("k".utf8)
            request.rangeEnd = Data("l".utf8)
            var readers: [StreamProbe] = []
            for number in 0..<300 {
                let reader = etcd.stream("/etcdserverpb.KV/Range")
                if number < 299 { reader.pauseReading() }
                try reader.send(request)
                reader.halfClose()
                readers.append(reader)
            }
            // The last ones find no room.
            #expect(try await readers[299].status() == Self.tooManyRequests)
            #expect(try await etcd.largeAnswers() <= 256)
            #expect(try await etcd.range("k1").kvs.count == 1)
            #expect(try await etcd.put("a", "1") > 2000)
            for reader in readers { reader.cancel() }
            while try await etcd.largeAnswers() > 0 {}
            #expect(try await etcd.range("k", end: "l").kvs.count == 2000)
        }
    }

    @Test("a status tells the feature level of the member and of the cluster")
    func levels() async throws {
        try await EtcdHarness.run { etcd in
            let status = try await etcd.call(
                "/etcdserverpb.Maintenance/Status", EtcdStatusRequest(), EtcdStatusResponse.self)
            #expect(status.featureLevel == UInt32(FeatureLevel.newest.rawValue))
            #expect(status.clusterFeatureLevel == 1)
        }
    }
}
