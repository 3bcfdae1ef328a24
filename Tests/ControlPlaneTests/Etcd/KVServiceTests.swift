import API
import ControlPlane
import Foundation
import NIOCore
import Primitives
import RPC
import StateMachine
import SwiftProtobuf
import Testing

@Suite("KV service (ETCD §1)")
struct KVServiceTests {
    @Test("a put is answered with its revision, and prev_kv gives the whole old pair")
    func puts() async throws {
        try await EtcdHarness.run { etcd in
            #expect(try await etcd.put("a", "1") == 2)
            var request = EtcdPutRequest()
            request.key = Data("a".utf8)
            request.value = Data("2".utf8)
            request.prevKv = true
            let response = try await etcd.call(
                "/etcdserverpb.KV/Put", request, EtcdPutResponse.self)
            #expect(response.header.revision == 3 && response.header.raftTerm == 2)
            #expect(response.header.clusterID == 0xc1)
            #expect(response.prevKv.value == Data("1".utf8) && response.prevKv.modRevision == 2)
        }
    }

    @Test("requests that break a rule are refused in etcd's words and change nothing")
    func refusals() async throws {
        try await EtcdHarness.run { etcd in
            var put = EtcdPutRequest()
            let path = "/etcdserverpb.KV/"
            func check(_ status: RPCStatus?, _ code: RPCCode, _ text: String) {
                #expect(status?.code == code && status?.message == text)
            }
            check(
                try await etcd.failure(path + "Put", put), .invalidArgument,
                "etcdserver: key is not provided")
            put.key = Data("k".utf8)
            put.lease = 5
            check(
                try await etcd.failure(path + "Put", put), .notFound,
                "etcdserver: requested lease not found")
            put.lease = 0
            put.value = Data(count: 1536 * 1024)
            check(
                try await etcd.failure(path + "Put", put), .invalidArgument,
                "etcdserver: request is too large")
            check(
                try await etcd.failure(path + "Range", EtcdRangeRequest()), .invalidArgument,
                "etcdserver: key is not provided")
            var range = EtcdRangeRequest()
            range.key = Data("k".utf8)
            range.revision = 100
            check(
                try await etcd.failure(path + "Range", range), .outOfRange,
                "etcdserver: mvcc: required revision is a future revision")
            var op = EtcdRequestOp()
            op.requestPut.key = Data("k".utf8)
            var txn = EtcdTxnRequest()
            txn.success = [op, op]
            check(
                try await etcd.failure(path + "Txn", txn), .invalidArgument,
                "etcdserver: duplicate key given in txn request")
            txn.success = Array(repeating: op, count: 129)
            check(
                try await etcd.failure(path + "Txn", txn), .invalidArgument,
                "etcdserver: too many operations in txn request")
            var compaction = EtcdCompactionRequest()
            compaction.revision = 9
            check(
                try await etcd.failure(path + "Compact", compaction), .outOfRange,
                "etcdserver: mvcc: required revision is a future revision")
            #expect(try await etcd.onLoop { $0.store.revision } == Revision(1))
        }
    }

    @Test("A24 no message, however broken, takes the node down or is proposed")
    func malformed() async throws {
        try await EtcdHarness.run { etcd in
            var random = SplitMix64(seed: 7)
            for method in ["Put", "Range", "Txn", "DeleteRange", "Compact"] {
                for _ in 0..<50 {
                    let count = 1 + Int(random.next(below: 40))
                    let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                    _ = try? await etcd.unary("/etcdserverpb.KV/\(method)", bytes)
                }
                await #expect(throws: RPCStatus.malformed) {
                    _ = try await etcd.unary("/etcdserverpb.KV/\(method)", [0x0A, 0x05, 0x61])
                }
            }
            let found = try await etcd.range("x")
            #expect(found.kvs.isEmpty)
        }
    }

    @Test(
        "A29 a large range is sent whole and in order while writes go on"
    )
    func largeRange() async throws {
        try await EtcdHarness.run { etcd in
            let value = String(repeating: "v", count: 100)
            try await etcd.onLoop { node in
                for index in 0..<20_000 { node.write("k\(100_000 + index)", value) }
            }
            async let read = etcd.range("k", end: "l")
            for index in 0..<100 { try await etcd.put("other\(index)", "x") }
            let response = try await read
            #expect(response.count == 20_000 && response.kvs.count == 20_000 && !response.more)
            #expect(response.header.revision >= 20_001)
            #expect(response.kvs.map(\.modRevision) == Array(2...20_001))
            let newest = try await etcd.range("k", end: "l") {
                $0.sortTarget = .mod
                $0.sortOrder = .descend
                $0.limit = 3
            }
            #expect(newest.kvs.map(\.modRevision) == [20_001, 20_000, 19_999])
            #expect(newest.more && newest.count == 20_000)
            let page = try await etcd.range("k", end: "l") { $0.limit = 5000 }
            #expect(page.kvs.count == 5000 && page.more && page.count == 20_000)
            let old = try await etcd.range("k", end: "l") {
                $0.revision = 2_001
                $0.countOnly = true
            }
            #expect(old.count == 2000 && old.kvs.isEmpty && !old.more)
        }
    }

    @Test("a client that goes away in the middle of a large answer leaves nothing behind")
    func abandonedRange() async throws {
        try await EtcdHarness.run { etcd in
            let value = String(repeating: "v", count: 1000)
            try await etcd.onLoop { node in
                for index in 0..<5000 { node.write("k\(index)", value) }
            }
            let stream = etcd.stream("/etcdserverpb.KV/RangeStream")
            let whole = etcd.stream("/etcdserverpb.KV/Range")
            var request = EtcdRangeRequest()
            request.key = Data("k".utf8)
            request.rangeEnd = Data("l".utf8)
            for probe in [stream, whole] {
                probe.pauseReading()
                try probe.send(request)
                probe.halfClose()
            }
            while try await etcd.largeAnswers() < 2 {}
            stream.cancel()
            whole.cancel()
            while try await etcd.largeAnswers() > 0 {}
            #expect(try await etcd.put("a", "1") > 5000)
        }
    }

    @Test("a large and a small evaluation of one request answer the same")
    func largeEqualsSmall() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.onLoop { node in
                for index in 0..<2000 { node.write("k\(index % 1500)", "\(index % 7)") }
            }
            for order in 0..<3 {
                for target in 0..<5 {
                    for (limit, revision, least) in [
                        (0, 0, 0), (7, 900, 0), (1400, 0, 300), (3, 0, 9),
                    ] {
                        var request = RangeRequest(key: Array("k".utf8), rangeEnd: Array("l".utf8))
                        request.sortOrder = Int32(order)
                        request.sortTarget = Int32(target)
                        request.limit = Int64(limit)
                        request.revision = Int64(revision)
                        request.minModRevision = Int64(least)
                        let wanted = request
                        let (small, large) = try await etcd.onLoop { node in
                            var scan = try node.store.makeScan(wanted)
                            return (try node.store.range(wanted), scan.result(of: wanted))
                        }
                        #expect(small.count == large.count && small.more == large.more)
                        #expect(
                            small.records.map(\.modRevision) == large.records.map(\.modRevision))
                    }
                }
            }
        }
    }

    @Test("a streamed range is in chunks; header, more and count are on the last one only")
    func rangeStream() async throws {
        try await EtcdHarness.run { etcd in
            let value = String(repeating: "v", count: 1000)
            try await etcd.onLoop { node in
                node.requestBytesMax = 100_000
                for index in 0..<3000 { node.write("k\(10_000 + index)", value) }
            }
            let stream = etcd.stream("/etcdserverpb.KV/RangeStream")
            var request = EtcdRangeRequest()
            request.key = Data("k".utf8)
            request.rangeEnd = Data("l".utf8)
            try stream.send(request)
            stream.halfClose()
            var chunks: [EtcdRangeResponse] = []
            repeat {
                chunks.append(try await stream.next(EtcdRangeStreamResponse.self).rangeResponse)
            } while !chunks[chunks.count - 1].hasHeader
            #expect(try await stream.status().isOK)
            #expect(chunks[0].kvs.count == 10 && chunks.count > 10)
            #expect(chunks.flatMap(\.kvs).map(\.modRevision) == Array(2...3001))
            #expect(chunks.dropLast().allSatisfy { $0.count == 0 && !$0.more })
            #expect(chunks[chunks.count - 1].count == 3000)
            #expect(chunks[chunks.count - 1].header.revision == 3001)
        }
    }

    @Test("a streamed range refuses orders and filters as unimplemented, and counts in one message")
    func rangeStreamLimits() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.put("a", "1")
            var sorted = EtcdRangeRequest()
            sorted.key = Data("a".utf8)
            sorted.sortOrder = .descend
            var filtered = EtcdRangeRequest()
            filtered.key = Data("a".utf8)
            filtered.minModRevision = 1
            for request in [sorted, filtered] {
                let stream = etcd.stream("/etcdserverpb.KV/RangeStream")
                try stream.send(request)
                #expect(try await stream.status().code == .unimplemented)
            }
            let stream = etcd.stream("/etcdserverpb.KV/RangeStream")
            var count = EtcdRangeRequest()
            count.key = Data("a".utf8)
            count.countOnly = true
            try stream.send(count)
            let only = try await stream.next(EtcdRangeStreamResponse.self).rangeResponse
            #expect(only.count == 1 && only.kvs.isEmpty && only.header.revision == 2)
            #expect(try await stream.status().isOK)
        }
    }

    @Test("without a leader: writes and linearizable reads fail, serializable reads are served")
    func leaderless() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.put("a", "1")
            try await etcd.onLoop { $0.leader = nil }
            var read = EtcdRangeRequest()
            read.key = Data("a".utf8)
            let path = "/etcdserverpb.KV/Range"
            #expect(try await etcd.failure(path, read) == .noLeader)
            read.serializable = true
            #expect(try await etcd.failure(path, read) == nil)
            let strict = [(name: "hasleader", value: "true")]
            #expect(try await etcd.failure(path, read, metadata: strict) == .noLeader)
        }
    }

    @Test("a learner serves serializable ranges and refuses the rest")
    func learner() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.put("a", "1")
            try await etcd.onLoop { $0.isLearner = true }
            var read = EtcdRangeRequest()
            read.key = Data("a".utf8)
            #expect(
                try await etcd.failure("/etcdserverpb.KV/Range", read) == .notSupportedForLearner)
            read.serializable = true
            #expect(try await etcd.failure("/etcdserverpb.KV/Range", read) == nil)
            var put = EtcdPutRequest()
            put.key = Data("a".utf8)
            #expect(try await etcd.failure("/etcdserverpb.KV/Put", put) == .notSupportedForLearner)
        }
    }
}

@Suite("Outcomes (docs/decisions/0002)")
struct OutcomeTests {
    @Test("no failure is answered with a text that could be either definite or unknown")
    func textsAreApart() {
        let unknown = ProposalFailure.allCases.map(\.unknownStatus)
        let definite: [ProposalFailure] = [
            .noLeader, .leaderChanged, .tooManyRequests, .requestTooLarge, .notReady,
            .notSupportedForLearner, .corrupt,
        ]
        for failure in definite { #expect(!unknown.contains(failure.refusedStatus)) }
        for status in unknown {
            #expect(status.code == .unavailable)
            #expect(status == .stopped || status.message.contains("request timed out"))
        }
    }

    @Test("a refused and an unknown proposal end the call with their own statuses")
    func statuses() async throws {
        try await EtcdHarness.run { etcd in
            var put = EtcdPutRequest()
            put.key = Data("a".utf8)
            for failure in ProposalFailure.allCases {
                try await etcd.onLoop { $0.proposalFailure = .refused(failure) }
                let refused = try await etcd.failure("/etcdserverpb.KV/Put", put)
                #expect(refused == failure.refusedStatus)
                try await etcd.onLoop { $0.proposalFailure = .unknown(failure) }
                let unknown = try await etcd.failure("/etcdserverpb.KV/Put", put)
                #expect(unknown == failure.unknownStatus)
            }
            var read = EtcdRangeRequest()
            read.key = Data("a".utf8)
            for failure in ReadFailure.allCases {
                try await etcd.onLoop { $0.readFailure = failure }
                #expect(try await etcd.failure("/etcdserverpb.KV/Range", read) == failure.status)
            }
        }
    }
}
