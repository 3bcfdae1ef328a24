import API
import ControlPlane
import Foundation
import NIOCore
import Primitives
import RPC
import StateMachine
import Testing

@Suite("Watch service (ETCD §1, Watch; RELIABILITY §3, W1 to W11)")
struct WatchServiceTests {
    @Test(
        "a watch is created first and then shows what happens after it, with its kind and revision")
    func liveEvents() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("a", end: "b") { $0.prevKv = true }
            let created = try await watch.nextWatch()
            #expect(created.created && created.watchID == 0 && created.header.revision == 1)
            try await etcd.put("a1", "x")
            try await etcd.put("b", "no")
            try await etcd.put("a1", "y")
            try await etcd.delete("a", end: "b")
            let events = try await watch.events(3)
            #expect(events.map(\.text) == ["put a1=x@2", "put a1=y@4/x", "del a1@5/y"])
            #expect(events[2].kv.createRevision == 0 && events[2].kv.version == 0)
        }
    }

    @Test("A27 ids are dealt from zero, a chosen id is kept, and one in use is refused")
    func identifiers() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            for id: Int64 in [0, 2, 0, 0, 2] { try watch.create("a", id: id) }
            var responses: [EtcdWatchResponse] = []
            for _ in 0..<5 { responses.append(try await watch.nextWatch()) }
            #expect(responses.map(\.watchID) == [0, 2, 1, 3, -1])
            #expect(responses.map(\.canceled) == [false, false, false, false, true])
            #expect(responses.filter(\.created).count == 5)
            #expect(
                responses[4].cancelReason
                    == "mvcc: duplicate watch ID provided on the WatchStream")
        }
    }

    @Test("an empty range and a negative start are refused in etcd's words")
    func refusals() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("b", end: "a")
            try watch.create("a", start: -1)
            let empty = try await watch.nextWatch()
            let negative = try await watch.nextWatch()
            #expect(empty.created && empty.canceled && empty.watchID == -1)
            #expect(empty.cancelReason == "mvcc: watcher range is empty")
            #expect(negative.created && negative.canceled && negative.watchID == -1)
            #expect(
                negative.cancelReason
                    == "etcdserver: mvcc: required revision has been compacted")
        }
    }

    @Test("a compacted start is created and then cancelled with the compact revision and no reason")
    func compactedStart() async throws {
        try await EtcdHarness.run { etcd in
            for value in 0..<5 { try await etcd.put("a", "\(value)") }
            var compaction = EtcdCompactionRequest()
            compaction.revision = 4
            _ = try await etcd.call(
                "/etcdserverpb.KV/Compact", compaction, EtcdCompactionResponse.self)
            let watch = etcd.watch()
            try watch.create("a", start: 3)
            let created = try await watch.nextWatch()
            let cancelled = try await watch.nextWatch()
            #expect(created.created && !created.canceled)
            #expect(cancelled.canceled && cancelled.compactRevision == 4)
            #expect(cancelled.cancelReason.isEmpty && cancelled.header.revision == 0)
            try watch.create("a", start: 4)
            #expect(try await watch.nextWatch().watchID == 1)
            #expect(try await watch.events(3, of: 1).map(\.kv.modRevision) == [4, 5, 6])
        }
    }

    @Test("A27 cancelling answers once, ends the events, and an unknown id is not answered")
    func cancellation() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("a")
            try watch.create("a")
            _ = try await watch.nextWatch()
            _ = try await watch.nextWatch()
            try watch.cancelWatch(7)
            try watch.cancelWatch(0)
            let cancelled = try await watch.nextWatch()
            #expect(cancelled.canceled && cancelled.watchID == 0 && cancelled.cancelReason.isEmpty)
            #expect(cancelled.compactRevision == 0)
            try await etcd.put("a", "1")
            #expect(try await watch.nextWatch().watchID == 1)
            try await etcd.settle()
            #expect(try await watch.pendingCount() == 0)
        }
    }

    @Test("a future start shows nothing below it")
    func futureStart() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("a", start: 4)
            _ = try await watch.nextWatch()
            try watch.askProgress()
            for value in 0..<5 { try await etcd.put("a", "\(value)") }
            let events = try await watch.events(3)
            #expect(events.map(\.kv.modRevision) == [4, 5, 6])
        }
    }

    @Test(
        "progress is told once for the stream, and only when all its watches are synced"
    )
    func progressOfAll() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.put("a", "1")
            let watch = etcd.watch()
            try watch.askProgress()
            try watch.create("a")
            try watch.create("b")
            _ = try await watch.nextWatch()
            _ = try await watch.nextWatch()
            try watch.askProgress()
            let mark = try await watch.nextWatch()
            #expect(mark.watchID == -1 && mark.header.revision == 2 && mark.events.isEmpty)
            try watch.create("c", start: 100)
            _ = try await watch.nextWatch()
            try watch.askProgress()
            try watch.cancelWatch(2)
            #expect(try await watch.nextWatch().canceled)
            try watch.askProgress()
            #expect(try await watch.nextWatch().watchID == -1)
        }
    }

    @Test("a quiet watch that asked for progress is told the revision, and others are not")
    func periodicProgress() async throws {
        var options = EtcdServicesOptions()
        options.watchProgressInterval = .milliseconds(20)
        try await EtcdHarness.run(options: options) { etcd in
            let watch = etcd.watch()
            try watch.create("quiet") { $0.progressNotify = true }
            try watch.create("other")
            _ = try await watch.nextWatch()
            _ = try await watch.nextWatch()
            let revision = try await etcd.put("elsewhere", "1")
            while true {
                let mark = try await watch.nextWatch()
                #expect(mark.watchID == 0 && mark.events.isEmpty && !mark.created)
                if mark.header.revision == revision { break }
            }
        }
    }

    @Test(
        "one revision's events come in one response, or in flagged pieces where that was asked for")
    func fragments() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.onLoop { $0.requestBytesMax = 3000 }
            let watch = etcd.watch()
            try watch.create("k", end: "l")
            try watch.create("k", end: "l") { $0.fragment = true }
            _ = try await watch.nextWatch()
            _ = try await watch.nextWatch()
            var txn = EtcdTxnRequest()
            for index in 0..<20 {
                var op = EtcdRequestOp()
                op.requestPut.key = .init("k\(index)".utf8)
                op.requestPut.value = .init(repeating: 7, count: 1000)
                txn.success.append(op)
            }
            try await etcd.onLoop { $0.requestBytesMax = 100_000 }
            let done = try await etcd.call("/etcdserverpb.KV/Txn", txn, EtcdTxnResponse.self)
            #expect(done.succeeded)
            var whole: [EtcdWatchResponse] = []
            var pieces: [EtcdWatchResponse] = []
            while pieces.isEmpty || pieces.last?.fragment == true || whole.isEmpty {
                let response = try await watch.nextWatch()
                if response.watchID == 0 { whole.append(response) } else { pieces.append(response) }
            }
            #expect(whole.count == 1 && whole[0].events.count == 20 && !whole[0].fragment)
            #expect(pieces.flatMap(\.events) == whole[0].events)
        }
    }

    @Test("events of a batch reach a watch in one message and before the writers' answers")
    func batchedEvents() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("a")
            _ = try await watch.nextWatch()
            try await etcd.onLoop { $0.isBatching = true }
            async let first = etcd.put("a", "1")
            async let second = etcd.put("a", "2")
            while try await etcd.onLoop({ $0.store.revision }) < Revision(3) {}
            try await etcd.onLoop { $0.releaseBatch() }
            let response = try await watch.nextWatch()
            #expect(response.events.map(\.kv.modRevision) == [2, 3])
            #expect(response.header.revision == 3)
            _ = try await (first, second)
        }
    }

    @Test("a watch from an old revision reads all of it, in order and once, while writes go on")
    func catchesUp() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.onLoop { node in
                for index in 0..<5000 { node.write("k\(index % 50)", "\(index)") }
            }
            let watch = etcd.watch()
            try watch.create("k", end: "l", start: 2)
            #expect(try await watch.nextWatch().created)
            async let writes: Void = {
                for index in 0..<50 { try await etcd.put("k", "\(index)") }
            }()
            let events = try await watch.events(5050)
            #expect(events.map(\.kv.modRevision) == Array(2...5051))
            try await writes
        }
    }

    @Test("a client that does not read holds up nobody, costs bounded memory, and loses nothing")
    func slowWatcher() async throws {
        var limits = RPCLimits()
        limits.outputHighWaterBytes = 64 * 1024
        limits.outputLowWaterBytes = 16 * 1024
        var settings = RPCClientSettings()
        settings.streamWindowBytes = 64 * 1024
        try await EtcdHarness.run(settings: settings, limits: limits) { etcd in
            let slow = etcd.watch()
            let fast = etcd.watch()
            for watch in [slow, fast] {
                try watch.create("k", end: "l")
                #expect(try await watch.nextWatch().created)
            }
            slow.pauseReading()
            let value = String(repeating: "v", count: 10_000)
            for index in 0..<200 { try await etcd.put("k\(index)", value) }
            let seen = try await fast.events(200)
            #expect(seen.count == 200)
            let (behind, held) = try await etcd.watchersBehind()
            #expect(behind == 0 && held == 1, "the slow watch keeps a revision, not events")
            slow.resumeReading()
            let late = try await slow.events(200)
            #expect(late.map(\.kv.modRevision) == seen.map(\.kv.modRevision))
        }
    }

    @Test("a held watch that compaction overtakes is told so when it reads again")
    func overtakenWhileHeld() async throws {
        var limits = RPCLimits()
        limits.outputHighWaterBytes = 64 * 1024
        limits.outputLowWaterBytes = 16 * 1024
        var settings = RPCClientSettings()
        settings.streamWindowBytes = 64 * 1024
        try await EtcdHarness.run(settings: settings, limits: limits) { etcd in
            let slow = etcd.watch()
            try slow.create("k", end: "l")
            _ = try await slow.nextWatch()
            slow.pauseReading()
            let value = String(repeating: "v", count: 10_000)
            var last: Int64 = 0
            for index in 0..<100 { last = try await etcd.put("k\(index)", value) }
            var compaction = EtcdCompactionRequest()
            compaction.revision = last
            _ = try await etcd.call(
                "/etcdserverpb.KV/Compact", compaction, EtcdCompactionResponse.self)
            slow.resumeReading()
            var response = try await slow.nextWatch()
            var revisions: [Int64] = []
            while !response.canceled {
                revisions += response.events.map(\.kv.modRevision)
                response = try await slow.nextWatch()
            }
            #expect(response.compactRevision == last)
            #expect(revisions == Array(2..<(2 + Int64(revisions.count))))
            #expect(revisions.count < 100)
        }
    }

    @Test("a snapshot that jumps ahead is read by the watches as if it had been applied")
    func storeReplaced() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("a")
            _ = try await watch.nextWatch()
            try await etcd.put("a", "1")
            #expect(try await watch.events(1).map(\.text) == ["put a=1@2"])
            try await etcd.onLoop { node in
                let other = InMemoryNode(eventLoop: node.eventLoop)
                for value in 1...3 { other.write("a", "\(value)") }
                node.replaceStore(with: other.store)
            }
            #expect(try await watch.events(2).map(\.text) == ["put a=2@3", "put a=3@4"])
        }
    }

    @Test("a stream that requires a leader ends when there is none for three election timeouts")
    func leaderless() async throws {
        try await EtcdHarness.run { etcd in
            let strict = etcd.watch(metadata: [("hasleader", "true")])
            let patient = etcd.watch()
            for watch in [strict, patient] {
                try watch.create("a")
                _ = try await watch.nextWatch()
            }
            try await etcd.onLoop { node in
                node.leader = nil
                node.observer?.leadershipChanged()
            }
            #expect(try await strict.status() == RPCStatus(.unavailable, "etcdserver: no leader"))
            try await etcd.onLoop { node in
                node.leader = node.memberID
                node.observer?.leadershipChanged()
            }
            try await etcd.put("a", "1")
            #expect(try await patient.events(1).count == 1)
        }
    }

    @Test("a learner, and a node without a leader where one is required, refuse the stream at once")
    func refusedStreams() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.onLoop { $0.leader = nil }
            let strict = etcd.watch(metadata: [("hasleader", "true")])
            let status = try await strict.status()
            #expect(status == .noLeader)
            try await etcd.onLoop {
                $0.leader = NodeID(1)
                $0.isLearner = true
            }
            #expect(try await etcd.watch().status() == .notSupportedForLearner)
            #expect(try await etcd.openWatchStreams() == 0)
        }
    }

    @Test("events that the node did not tell of are read from the log")
    func untoldEvents() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("a")
            _ = try await watch.nextWatch()
            try await etcd.onLoop { node in
                let services = node.observer
                node.observer = nil
                node.write("a", "untold")
                node.observer = services
                node.write("a", "told")
            }
            let events = try await watch.events(2)
            #expect(events.map(\.text) == ["put a=untold@2", "put a=told@3"])
        }
    }

    @Test("bytes that are no request end the stream, and the node goes on")
    func malformed() async throws {
        try await EtcdHarness.run { etcd in
            let broken = etcd.watch()
            var request = EtcdPutRequest()
            request.key = .init(repeating: 0xFF, count: 10)
            try broken.send(request)
            #expect(try await broken.status().code == .internalError)
            #expect(try await etcd.put("a", "1") == 2)
        }
    }
}
