import Primitives
import Replication
import Testing

@Suite("How long the past of the records is kept")
struct RecordRetentionTests {
    private let hour: UInt64 = 3_600_000

    private func due(
        _ retention: RecordRetention, _ time: UInt64, floor: Int64 = 0, past: Int = 0,
        middle: Int64? = nil
    ) -> Int64? {
        retention.due(
            time: time, floor: Revision(floor), pastBytes: past, middle: middle.map(Revision.init))?
            .rawValue
    }

    @Test("what was the newest a window ago stays, and what was before it may go")
    func window() {
        var retention = RecordRetention(window: hour, bytesMax: .max)
        #expect(due(retention, 0) == nil)
        for minute in UInt64(0)...90 {
            retention.note(Revision(Int64(minute) + 1), time: minute * 60_000)
        }
        #expect(due(retention, 90 * 60_000) == 31)
        #expect(due(retention, 90 * 60_000, floor: 31) == nil)
        #expect(due(retention, 90 * 60_000, floor: 40) == nil)
        #expect(due(retention, 91 * 60_000) == 31, "nothing newer was noted that is an hour old")
        retention.note(Revision(95), time: 100 * 60_000)
        #expect(due(retention, 100 * 60_000) == 41)
    }

    @Test("a node that has just started knows nothing of before, and keeps it")
    func fresh() {
        var retention = RecordRetention(window: hour, bytesMax: .max)
        retention.note(Revision(4000), time: 1_700_000_000_000)
        #expect(due(retention, 1_700_000_000_000) == nil)
        #expect(due(retention, 1_700_000_000_000 + hour - 1) == nil)
        #expect(due(retention, 1_700_000_000_000 + hour) == 4000)
    }

    @Test("however often it is asked, it holds a number of samples that is bounded")
    func samples() {
        var retention = RecordRetention(window: hour, bytesMax: .max)
        for tick in UInt64(0)..<40_000 {
            retention.note(Revision(Int64(tick) + 1), time: tick * 1000)
        }
        let now = UInt64(39_999) * 1000
        let found = due(retention, now) ?? 0
        let age = (39_999 - UInt64(found) + 1) * 1000
        let step = hour / RecordRetention.samplesPerWindow
        #expect(age >= hour && age <= hour + 2 * (step + 1000))
        #expect(retention.sampleCount <= Int(RecordRetention.samplesPerWindow) + 2)
    }

    @Test("above its bytes the older half goes early, as far as there is one")
    func bytes() {
        var retention = RecordRetention(window: hour, bytesMax: 1000)
        retention.note(Revision(1), time: 0)
        #expect(due(retention, 1, past: 1000, middle: 2500) == nil)
        #expect(due(retention, 1, past: 1001, middle: 2500) == 2500)
        #expect(due(retention, 1, floor: 2500, past: 1001, middle: 2500) == nil)
        #expect(due(retention, 1, past: 1001, middle: nil) == nil)
    }

    @Test("for ever is for ever")
    func never() {
        var retention = RecordRetention(window: nil, bytesMax: 1000)
        retention.note(Revision(1), time: 0)
        #expect(due(retention, .max, past: .max, middle: 7) == nil)
    }
}
