import Monitoring
import Testing

@Suite("Histograms of durations")
struct HistogramTests {
    @Test("a duration is counted below the first bound that it does not exceed")
    func bounds() {
        for slot in 0..<DurationHistogram.boundsCount {
            let bound = DurationHistogram.firstBoundNanoseconds << UInt64(slot)
            #expect(DurationHistogram.slot(of: bound) == slot)
            #expect(DurationHistogram.slot(of: bound + 1) == slot + 1)
            #expect(DurationHistogram.bound(slot) == Double(bound) / 1e9)
        }
        #expect(DurationHistogram.slot(of: 0) == 0)
        #expect(DurationHistogram.slot(of: .max) == DurationHistogram.boundsCount)
        #expect(DurationHistogram.bound(DurationHistogram.boundsCount) == .infinity)
    }

    @Test("the bounds from a millisecond on are etcd's")
    func etcdsBounds() {
        let bounds = (4..<DurationHistogram.boundsCount).map(DurationHistogram.bound)
        #expect(bounds == (0..<14).map { 0.001 * Double(1 << $0) })
    }

    @Test("a quantile lies between the bounds of the bucket that holds it, in proportion")
    func quantiles() throws {
        let counts = BucketCounts(bounds: [1, 2, 4, .infinity], counts: [0, 10, 20, 20], sum: 50)
        #expect(counts.quantile(0.5) == 2)
        #expect(counts.quantile(0.25) == 1.5)
        #expect(counts.quantile(0.75) == 3)
        #expect(counts.quantile(1) == 4)
        #expect(counts.mean == 2.5)
        let above = BucketCounts(bounds: [1, .infinity], counts: [0, 3], sum: 9)
        #expect(above.quantile(0.5) == 1)
        #expect(BucketCounts().quantile(0.5) == nil)
        #expect(BucketCounts(bounds: [.infinity], counts: [1]).quantile(0.5) == nil)
    }

    @Test("the estimate of a quantile is at most a factor of two off")
    func estimate() throws {
        var histogram = DurationHistogram()
        for microseconds in 1...1000 { histogram.record(nanoseconds: UInt64(microseconds) * 1000) }
        for share in [0.1, 0.5, 0.9, 0.99] {
            let found = try #require(histogram.buckets.quantile(share))
            #expect((share / 2_000...share / 500).contains(found), "\(share): \(found)")
        }
        #expect(histogram.count == 1000)
    }

    @Test("a difference is what came since, and everything where the counts began anew")
    func differences() {
        var early = DurationHistogram()
        early.record(nanoseconds: 1_000_000)
        var late = early
        late.record(nanoseconds: 3_000_000)
        let since = late.buckets.since(early.buckets)
        #expect(since.count == 1)
        #expect(since.quantile(0.5).map { $0 > 0.002 && $0 <= 0.004 } == true)
        #expect(early.buckets.since(late.buckets) == early.buckets)
        #expect(late.buckets.since(BucketCounts()) == late.buckets)
        #expect(early.buckets.adding(late.buckets).count == 3)
        #expect(BucketCounts().adding(late.buckets) == late.buckets)
    }
}

@Suite("Meters of methods")
struct MethodMeterTests {
    @Test("calls are counted by code, and unary ones measured")
    func calls() {
        let put = MethodMeter(path: "/etcdserverpb.KV/Put", isUnary: true)
        #expect(put.service == "etcdserverpb.KV" && put.method == "Put")
        for _ in 1...3 { put.callStarted() }
        put.callEnded(code: 0, nanoseconds: 500_000)
        put.callEnded(code: 14, nanoseconds: 7_000_000_000)
        #expect(put.open == 1)
        #expect(put.handled[0] == 1 && put.handled[14] == 1)
        #expect(put.durations.count == 2)
        put.callEnded(code: 99, nanoseconds: nil)
        #expect(put.handled.reduce(0, +) == 2)
        let watch = MethodMeter(path: "/etcdserverpb.Watch/Watch", isUnary: false)
        watch.callStarted()
        watch.callEnded(code: 0, nanoseconds: 1)
        #expect(watch.durations.count == 0 && watch.open == 0)
        #expect(MethodMeter(path: "nonsense", isUnary: true).method == "")
    }
}

@Suite("Milestones of a log")
struct LogMilestonesTests {
    typealias Positions = LogMilestones.Positions
    private let millisecond: UInt64 = 1_000_000

    @Test("an entry's times are those at which the positions passed it")
    func times() {
        var log = LogMilestones()
        log.note(Positions(last: 1, durable: 1, committed: 1, applied: 1), now: 10 * millisecond)
        log.note(Positions(last: 5, durable: 1, committed: 1, applied: 1), now: 20 * millisecond)
        log.note(Positions(last: 5, durable: 5, committed: 1, applied: 1), now: 30 * millisecond)
        log.note(Positions(last: 9, durable: 5, committed: 5, applied: 4), now: 40 * millisecond)
        log.note(Positions(last: 9, durable: 9, committed: 5, applied: 5), now: 50 * millisecond)
        let times = log.times(of: 5)
        #expect(times.appended == 20 * millisecond)
        #expect(times.durable == 30 * millisecond)
        #expect(times.committed == 40 * millisecond)
        #expect(times.applied == 50 * millisecond)
        #expect(log.times(of: 9).committed == nil)
        // It was there before anybody looked.
        #expect(log.times(of: 1).applied == nil)
    }

    @Test("what moves within a millisecond is one sample, and a full ring forgets the oldest")
    func ring() {
        var log = LogMilestones(capacity: 4)
        for index in 1...100 as ClosedRange<UInt64> {
            let all = Positions(last: index, durable: index, committed: index, applied: index)
            log.note(all, now: index * millisecond / 2)
        }
        #expect(log.latest.last == 100)
        #expect(log.times(of: 50).applied == nil)
        #expect(log.times(of: 97).applied != nil)
        #expect(log.times(of: 100).applied.map { $0 <= 50 * millisecond } == true)
        #expect(log.times(of: 101).applied == nil)
        #expect(LogMilestones().times(of: 1).appended == nil)
    }
}
