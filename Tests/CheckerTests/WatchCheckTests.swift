import Primitives
import Simulation
import Testing

@Suite("Promises about watches (W1 to W11)")
struct WatchCheckTests {
    private let history: RecordedHistory
    private let writes: WriteHistory
    private let truth: WatchTruth

    init() {
        var workload = Workload(seed: 11, operations: 500, unknownPercent: 5, tellsWrites: true)
        workload.hasCompactions = false
        history = workload.run()
        writes = history.writes ?? WriteHistory([])
        truth = WatchTruth(writes, operations: history.operations)
    }

    private func interval(_ seed: UInt64) -> KeyInterval {
        seed % 3 == 0 ? KeyInterval(Bytes("k6")) : .prefix(Bytes("k"))
    }

    /// What a correct server would send, in responses of some revisions each.
    private func watch(seed: UInt64 = 1, from start: Int64 = 5) -> RecordedWatch {
        var random = SplitMix64(seed: seed)
        var watch = RecordedWatch(
            id: 1, client: 1, start: 0, interval: interval(seed), startRevision: start,
            withoutDeletes: seed % 4 == 1, wantsPrevious: seed % 2 == 0, wantsFragments: true)
        watch.responses = [RecordedWatchResponse(time: 1, revision: 3, .created)]
        var time: Int64 = 2
        var batch: [RecordedEvent] = []
        for change in writes.revisions where change.revision >= start {
            let events = change.events.filter(watch.wants).map { event in
                RecordedEvent(
                    event.kind, event.pair, previous: watch.wantsPrevious ? event.previous : nil)
            }
            if events.count > 1, random.next(below: 3) == 0 {
                flush(&batch, &watch, time, change.revision)
                for (place, event) in events.enumerated() {
                    watch.responses.append(
                        RecordedWatchResponse(
                            time: time, revision: change.revision, .events([event]),
                            isFragment: place < events.count - 1))
                }
            } else {
                batch += events
            }
            if random.next(below: 3) == 0 { flush(&batch, &watch, time, change.revision) }
            if batch.isEmpty, random.next(below: 6) == 0 {
                watch.responses.append(
                    RecordedWatchResponse(time: time, revision: change.revision, .progress))
            }
            time += 1
        }
        return watch
    }

    private func flush(
        _ batch: inout [RecordedEvent], _ watch: inout RecordedWatch, _ time: Int64,
        _ revision: Int64
    ) {
        if batch.isEmpty { return }
        watch.responses.append(
            RecordedWatchResponse(time: time, revision: revision, .events(batch)))
        batch = []
    }

    private func broken(_ watches: RecordedWatch...) -> Set<String> {
        Set(WatchChecks.check(watches, truth).map { $0.property })
    }

    /// The place of a response with at least `count` events.
    private func place(_ watch: RecordedWatch, events count: Int) -> Int {
        watch.responses.firstIndex { $0.events.count >= count && !$0.isFragment } ?? 0
    }

    private func change(
        _ watch: RecordedWatch, at place: Int, _ body: (inout [RecordedEvent]) -> Void
    ) -> RecordedWatch {
        var watch = watch
        var events = watch.responses[place].events
        body(&events)
        watch.responses[place].body = .events(events)
        return watch
    }

    @Test("what a correct server sends keeps every promise", arguments: 1...24 as ClosedRange)
    func correct(seed: UInt64) {
        let first = watch(seed: seed, from: Int64(seed % 7))
        #expect(WatchChecks.check([first], truth) == [])
    }

    @Test("W1: events in another order")
    func ordered() {
        let good = watch(seed: 2)
        let place = place(good, events: 2)
        #expect(broken(change(good, at: place) { $0.swapAt(0, $0.count - 1) }).contains("W1"))
        var late = good
        late.responses.swapAt(place, place + 1)
        #expect(!broken(late).isEmpty)
        // Inside one revision, in the order of the transaction's operations.
        let txn = writes.revisions.first { $0.events.count == 2 && $0.revision > 5 }
        var inside = watch(seed: 2)
        inside.responses = [
            RecordedWatchResponse(
                time: 1, revision: 9, .events(Array((txn?.events ?? []).reversed())))
        ]
        #expect(broken(inside).contains("W1"))
    }

    @Test("W2: an event that comes twice")
    func unique() {
        let good = watch(seed: 2)
        let twice = change(good, at: place(good, events: 1)) { $0.append($0[0]) }
        #expect(broken(twice).contains("W2"))
    }

    @Test("W3: a gap")
    func reliable() {
        let good = watch(seed: 2)
        #expect(
            broken(change(good, at: place(good, events: 3)) { $0.remove(at: 1) }).contains("W3"))
        var lost = good
        lost.responses.remove(at: place(good, events: 1))
        #expect(broken(lost).contains("W3"))
        var tail = good
        let last = tail.responses.lastIndex { !$0.events.isEmpty } ?? 0
        tail.responses[(last + 1)...].removeAll { $0.body == .progress }
        tail.responses.remove(at: last)
        #expect(WatchReliable.check(tail, truth) == [], "the end was cut off, nothing was lost")
    }

    @Test("W4: a revision over two responses, and fragments that are interrupted")
    func atomic() {
        var split = watch(seed: 2)
        let place = split.responses.firstIndex { $0.isFragment } ?? 0
        split.responses[place].isFragment = false
        #expect(broken(split) == ["W4"])
        var interrupted = watch(seed: 2)
        interrupted.responses.insert(
            RecordedWatchResponse(time: 9, revision: 0, .created), at: place + 1)
        #expect(WatchAtomic.check(interrupted).count == 1)
        var unasked = watch(seed: 2)
        unasked.wantsFragments = false
        #expect(broken(unasked) == ["W4"])
    }

    @Test("W5: a resumed watch with a gap or a repetition")
    func resumable() {
        var first = watch(seed: 2)
        first.responses.removeLast(first.responses.count / 2)
        if first.responses.last?.isFragment == true { first.responses.removeLast() }
        let reached = first.reachedRevision ?? 0
        for (start, isBroken) in [(reached + 1, false), (reached + 2, true), (reached, true)] {
            var second = watch(seed: 2, from: start)
            second.id = 2
            second.resumes = 1
            second.responses.removeAll { $0.body == .progress }
            #expect(broken(first, second).contains("W5") == isBroken, "from \(start)")
        }
        var gap = watch(seed: 2, from: reached + 1)
        gap.id = 2
        gap.resumes = 1
        gap.responses.removeAll { $0.body == .progress }
        gap.responses.remove(at: place(gap, events: 1))
        #expect(broken(first, gap).contains("W5"))
        var refused = watch(seed: 2, from: reached + 1)
        refused.id = 2
        refused.resumes = 1
        refused.responses = [
            RecordedWatchResponse(
                time: 9, revision: 0, .canceled(compactRevision: reached + 9, reason: ""))
        ]
        #expect(!broken(first, refused).contains("W5"))
    }

    @Test("W6: a mark that is too high, that falls or that trails an event")
    func bookmarkable() {
        let good = watch(seed: 2)
        let place = good.responses.firstIndex { $0.body == .progress } ?? 0
        for change in [4, -40] as [Int64] {
            var bad = good
            bad.responses[place].revision += change
            #expect(broken(bad).contains("W6"), "by \(change)")
        }
        var early = good
        let mark = RecordedWatchResponse(time: 1, revision: 60, .progress)
        early.responses.insert(mark, at: 1)
        #expect(broken(early).contains("W6"))
    }

    @Test("W7: events of other keys, filtered events, invented and altered ones")
    func exact() {
        let good = watch(seed: 2)
        var narrow = good
        narrow.interval = KeyInterval(Bytes("k0"))
        #expect(broken(narrow).contains("W7"))
        var filtered = good
        filtered.withoutPuts = true
        #expect(broken(filtered).contains("W7"))
        let put = good.responses.firstIndex { $0.events.first?.kind == .put } ?? 0
        let altered = change(good, at: put) { $0[0].pair.value = Bytes("other") }
        #expect(broken(altered) == ["W7"])
        let invented = change(good, at: place(good, events: 1)) { events in
            events.append(.delete(Bytes("k9"), at: events.last?.revision ?? 0))
        }
        #expect(broken(invented).contains("W7"))
    }

    @Test("W8: a previous pair that is wrong, missing or not asked for")
    func previous() {
        let good = watch(seed: 2)
        let place = good.responses.firstIndex { $0.events.first?.previous != nil } ?? 0
        let wrong = change(good, at: place) { $0[0].previous?.value = Bytes("other") }
        #expect(broken(wrong) == ["W8"])
        let missing = change(good, at: place) { $0[0].previous = nil }
        #expect(broken(missing) == ["W8"])
        let compacted = WatchTruth(
            writes,
            operations: [
                RecordedOperation(
                    id: 0, client: 0, start: 0, end: 1,
                    request: .compact(revision: writes.lastRevision),
                    outcome: .ok(revision: 9, .compact))
            ])
        #expect(WatchPrevious.check(missing, compacted) == [])
        var unasked = good
        unasked.wantsPrevious = false
        #expect(broken(unasked) == ["W8"])
    }

    @Test("W9: a put that says new of an old key")
    func create() {
        let good = watch(seed: 2)
        let place = good.responses.firstIndex {
            $0.events.first.map { $0.kind == .put && !$0.isCreate } ?? false
        }
        let bad = change(good, at: place ?? 0) { events in
            events[0].pair.createRevision = events[0].pair.modRevision
            events[0].pair.version = 1
        }
        #expect(broken(bad).contains("W9"))
    }

    @Test("W10: anything below the revision that a watch starts from")
    func futureStart() {
        var watch = watch(seed: 2, from: 40)
        watch.startRevision = 60
        #expect(broken(watch).contains("W10"))
        var mark = self.watch(seed: 2, from: 60)
        mark.responses.insert(
            RecordedWatchResponse(time: 1, revision: 50, .progress), at: 1)
        #expect(broken(mark) == ["W10"])
    }

    @Test("W11: compaction overtakes a watch in silence, or is blamed without reason")
    func compacted() {
        let compact = RecordedOperation(
            id: 9000, client: 0, start: 0, end: 1, request: .compact(revision: 50),
            outcome: .ok(revision: 60, .compact))
        let truth = WatchTruth(writes, operations: [compact])
        func isBroken(_ watch: RecordedWatch) -> Bool {
            WatchCompacted.check(watch, truth).contains { $0.property == "W11" }
        }
        var silent = watch(seed: 2, from: 50)
        silent.startRevision = 5
        #expect(isBroken(silent))
        func canceled(_ compactRevision: Int64, _ reason: String = "") -> RecordedWatch {
            var watch = watch(seed: 2, from: 5)
            watch.responses = [
                RecordedWatchResponse(time: 1, revision: 9, .created),
                RecordedWatchResponse(
                    time: 2, revision: 0,
                    .canceled(compactRevision: compactRevision, reason: reason)),
            ]
            return watch
        }
        #expect(!isBroken(canceled(50)))
        #expect(isBroken(canceled(49)), "nobody compacted there")
        #expect(isBroken(canceled(5)), "it could be served")
        #expect(isBroken(canceled(0, "mvcc: required revision has been compacted")))
        #expect(!isBroken(canceled(0, "client")))
        var after = canceled(50)
        after.responses.append(RecordedWatchResponse(time: 3, revision: 60, .progress))
        #expect(isBroken(after))
    }
}
