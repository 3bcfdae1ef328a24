import Primitives
import StateMachine
import Testing

@Suite("Watch hub (RELIABILITY §3, Watch)")
struct WatchHubTests {
    private func spec(_ key: String, end: String = "") throws -> WatchSpec {
        let range = WatchRange(key: Array(key.utf8), end: Array(end.utf8))
        return WatchSpec(range: try #require(range))
    }

    private func deliveries(_ outputs: [WatchOutput]) -> [(revisions: [Int64], takers: [WatcherID])]
    {
        outputs.compactMap { output in
            guard case .events(let delivery, let takers) = output else { return nil }
            return (delivery.events.map(\.record.modRevision), takers)
        }
    }

    private func history(_ count: Int64) -> HistoryLog {
        HistoryLog(records: (2..<(2 + count)).map { .put([0x61], revision: $0) })
    }

    @Test("ten thousand watchers of one prefix are one delivery")
    func sharedDelivery() throws {
        var hub = WatchHub(revision: Revision(1))
        var ids: [WatcherID] = []
        for _ in 0..<10_000 { ids.append(hub.add(try spec("a", end: "b"), start: 0)) }
        let log = history(3)
        let found = deliveries(hub.publish(log.records, through: Revision(4), log: log))
        #expect(found.count == 1)
        #expect(found[0].revisions == [2, 3, 4] && found[0].takers == ids)
    }

    @Test(
        "ten thousand different ranges are searched, not walked: only those around the key are told"
    )
    func manyRanges() throws {
        var hub = WatchHub(revision: Revision(1))
        var expected: [WatcherID] = []
        for index in 0..<10_000 {
            let id = hub.add(try spec("k\(index)", end: "k\(index)~"), start: 0)
            if "k1234".hasPrefix("k\(index)") { expected.append(id) }
        }
        let log = HistoryLog(records: [.put(Array("k1234".utf8), revision: 2)])
        let found = deliveries(hub.publish(log.records, through: Revision(2), log: log))
        #expect(found.flatMap(\.takers).sorted() == expected.sorted())
        #expect(expected.count == 4)
    }

    @Test("the datacenter's records are seen by watches that begin among them, and by no others")
    func records() throws {
        var hub = WatchHub(revision: Revision(1))
        let inside = [
            hub.add(try spec("/keelson/", end: "/keelson0"), start: 0),
            hub.add(try spec("/keelson/tasks/t"), start: 0),
        ]
        _ = hub.add(try spec("/", end: "0"), start: 0)
        let log = HistoryLog(records: [
            .put(Array("/keelson/tasks/t".utf8), revision: 2), .put(Array("/a".utf8), revision: 3),
        ])
        let found = deliveries(hub.publish(log.records, through: Revision(3), log: log))
        #expect(found.filter { $0.revisions == [2] }.flatMap(\.takers).sorted() == inside)
        #expect(found.filter { $0.revisions == [3] }.count == 1 && found.count == 3)
        let late = hub.add(try spec("/keelson/", end: "/keelson0"), start: 2)
        let read = deliveries(hub.catchUp(log: log, recordsMax: 100))
        #expect(read.map(\.revisions) == [[2]] && read.map(\.takers) == [[late]])
        #expect(!hub.needsCatchUp)
    }

    @Test("catching up takes at most a thousand revisions a delivery and what it was given to read")
    func boundedSteps() throws {
        var hub = WatchHub(revision: Revision(2501))
        let log = history(2500)
        _ = hub.add(try spec("a"), start: 2)
        let first = deliveries(hub.catchUp(log: log, recordsMax: 10))
        #expect(first.map(\.revisions) == [Array(2...11)])
        var sizes: [Int] = []
        while hub.needsCatchUp {
            for found in deliveries(hub.catchUp(log: log, recordsMax: 100_000)) {
                sizes.append(found.revisions.count)
            }
        }
        #expect(sizes == [1000, 1000, 490])
    }

    @Test("watchers that resume together read the log once")
    func sharedCatchUp() throws {
        var hub = WatchHub(revision: Revision(1001))
        let log = history(1000)
        let ids = try (0..<100).map { _ in hub.add(try spec("a"), start: 2) }
        let found = deliveries(hub.catchUp(log: log, recordsMax: 1000))
        #expect(found.count == 1 && found[0].takers == ids)
        #expect(!hub.needsCatchUp)
    }

    @Test("a watcher far behind does not keep others from catching up")
    func noStarvation() throws {
        var hub = WatchHub(revision: Revision(100_001))
        let log = history(100_000)
        let far = hub.add(try spec("a"), start: 2)
        let near = hub.add(try spec("a"), start: 100_000)
        var steps = 0
        while !hub.mayMarkProgress(near) {
            _ = hub.catchUp(log: log, recordsMax: 1000)
            steps += 1
        }
        #expect(steps <= 2 && !hub.mayMarkProgress(far))
    }

    @Test("a catch-up delivery ends with the revision that makes it large, never inside one")
    func boundedBytes() throws {
        let value = [UInt8](repeating: 7, count: 300_000)
        var log = HistoryLog()
        for revision: Int64 in 2...9 {
            for sub: Int32 in 0..<2 {
                log.records.append(
                    [UInt8(0x61), UInt8(sub)].withUnsafeBytes { key in
                        value.withUnsafeBytes { value in
                            Record.make(
                                key: key, value: value, createRevision: revision,
                                modRevision: revision, sub: sub, version: 1, lease: 0)
                        }
                    })
            }
        }
        var hub = WatchHub(revision: Revision(9))
        _ = hub.add(try spec("a", end: "b"), start: 2)
        var found: [[Int64]] = []
        while hub.needsCatchUp {
            found += deliveries(hub.catchUp(log: log, recordsMax: 10_000)).map(\.revisions)
        }
        #expect(found == [[2, 2, 3, 3], [4, 4, 5, 5], [6, 6, 7, 7], [8, 8, 9, 9]])
    }

    @Test("a removed watcher's id means nobody afterwards, also when its slot is taken again")
    func identifiers() throws {
        var hub = WatchHub(revision: Revision(1))
        let first = hub.add(try spec("a"), start: 0)
        hub.remove(first)
        let second = hub.add(try spec("a"), start: 0)
        #expect(first != second && first.slot == second.slot)
        hub.remove(first)
        hub.hold(first, from: Revision(1))
        hub.resume(first)
        #expect(hub.contains(second) && !hub.contains(first) && hub.watcherCount == 1)
        let log = history(1)
        let found = deliveries(hub.publish(log.records, through: Revision(2), log: log))
        #expect(found.flatMap(\.takers) == [second])
    }

    @Test("a hub whose watchers are gone holds nothing of them")
    func emptiesItself() throws {
        var hub = WatchHub(revision: Revision(1))
        for round in 0..<3 {
            let ids = try (0..<100).map { hub.add(try spec("k\($0)", end: "l"), start: 0) }
            for id in ids { hub.remove(id) }
            #expect(hub.watcherCount == 0 && hub.groups.count <= 100, "round \(round)")
            #expect(hub.ranges.isEmpty && hub.groupBySpec.isEmpty && hub.exact.isEmpty)
        }
    }

    @Test(
        "the empty key is the smallest, one zero byte is no end, and an end before the key is empty"
    )
    func ranges() {
        #expect(WatchRange(key: [], end: []) == .key(Bytes([0])))
        #expect(WatchRange(key: [5], end: [0]) == .from(Bytes([5])))
        #expect(WatchRange(key: [5], end: [5]) == nil)
        #expect(WatchRange(key: [5], end: [4]) == nil)
        #expect(WatchRange(key: [5], end: [5, 0]) == .range(from: Bytes([5]), to: Bytes([5, 0])))
    }
}

@Suite("Interval tree")
struct IntervalTreeTests {
    @Test("finds exactly the ranges around a key, whatever was inserted and removed before")
    func agreesWithALoop() {
        var random = SplitMix64(seed: 3)
        func draw(_ bound: UInt64) -> UInt8 { UInt8(random.next(below: bound)) }
        var tree = IntervalTree()
        var kept: [(value: Int, start: Bytes, end: Bytes?)] = []
        for step in 0..<4000 {
            if kept.isEmpty || draw(5) > 1 {
                let start = Bytes([draw(6), draw(6)])
                let end = draw(4) == 0 ? nil : Bytes([draw(7), draw(6)])
                if let end, end <= start { continue }
                tree.insert(step, start: start, end: end)
                kept.append((step, start, end))
            } else {
                let gone = kept.remove(at: Int(random.next(below: UInt64(kept.count))))
                tree.remove(gone.value, start: gone.start, end: gone.end)
            }
            let key = Bytes([draw(7), draw(7)])
            var found: [Int] = []
            key.storage.withUnsafeBytes { tree.forEach(around: $0) { found.append($0) } }
            let expected = kept.filter { $0.start <= key && ($0.end.map { key < $0 } ?? true) }
            #expect(found.sorted() == expected.map(\.value).sorted())
        }
    }
}
