import Primitives
import Replication
import Testing

@Suite("How long the past of the records is kept")
struct RecordRetentionTests {
    private let hour: UInt64 = 3_600_000

    private func due(
        _ retention: RecordRetention, _ clock: UInt64, floor: Int64 = 0, newest: Int64 = 5000,
        bytes: Int = 0
    ) -> Int64? {
        retention.due(
            clock: clock, floor: Revision(floor), newest: Revision(newest), bytes: bytes)?
            .rawValue
    }

    @Test("what was the newest a window ago stays, and what was before it may go")
    func window() {
        var retention = RecordRetention(window: hour, bytesMax: .max)
        #expect(due(retention, 0) == nil)
        for minute in UInt64(0)...90 {
            retention.note(Revision(Int64(minute) + 1), clock: minute * 60_000)
        }
        #expect(due(retention, 90 * 60_000) == 31)
        #expect(due(retention, 90 * 60_000, floor: 31) == nil)
        #expect(due(retention, 90 * 60_000, floor: 40) == nil)
        #expect(due(retention, 91 * 60_000) == 31, "nothing newer was noted that is an hour old")
        retention.note(Revision(95), clock: 100 * 60_000)
        #expect(due(retention, 100 * 60_000) == 41)
    }

    @Test("a node that has just started knows nothing of before, and keeps it")
    func fresh() {
        var retention = RecordRetention(window: hour, bytesMax: .max)
        retention.note(Revision(4000), clock: 1_700_000_000_000)
        #expect(due(retention, 1_700_000_000_000) == nil)
        #expect(due(retention, 1_700_000_000_000 + hour - 1) == nil)
        #expect(due(retention, 1_700_000_000_000 + hour) == 4000)
    }

    @Test("however often it is asked, it holds a number of samples that is bounded")
    func samples() {
        var retention = RecordRetention(window: hour, bytesMax: .max)
        for tick in UInt64(0)..<40_000 {
            retention.note(Revision(Int64(tick) + 1), clock: tick * 1000)
        }
        let now = UInt64(39_999) * 1000
        let found = due(retention, now, newest: 40_000) ?? 0
        let age = (39_999 - UInt64(found) + 1) * 1000
        #expect(age >= hour && age <= hour + hour / RecordRetention.samplesPerWindow + 1000)
        #expect(retention.sampleCount <= Int(RecordRetention.samplesPerWindow) + 2)
    }

    @Test("above its bytes the older half goes early, as far as that is worth an entry")
    func bytes() {
        var retention = RecordRetention(window: hour, bytesMax: 1000)
        retention.note(Revision(1), clock: 0)
        #expect(due(retention, 1, bytes: 1000) == nil)
        #expect(due(retention, 1, bytes: 1001) == 2500)
        #expect(due(retention, 1, floor: 2500, bytes: 1001) == 3750)
        #expect(due(retention, 1, floor: 3001, bytes: 1001) == nil)
    }

    @Test("for ever is for ever")
    func never() {
        var retention = RecordRetention(window: nil, bytesMax: 1000)
        retention.note(Revision(1), clock: 0)
        #expect(due(retention, .max, bytes: .max) == nil)
    }
}
