import Monitoring
import Testing

@Suite("Where a request's time went")
struct RequestStagesTests {
    private func stages(_ made: RequestStages) -> [String] {
        made.stages.map { "\($0.name.rawValue) \($0.nanoseconds)" }
    }

    /// The times of entry 5 when its positions moved at these times.
    private func entry(
        appended: UInt64, durable: UInt64, committed: UInt64, applied: UInt64
    ) -> LogMilestones.Times {
        typealias Positions = LogMilestones.Positions
        var log = LogMilestones()
        var positions = Positions(last: 1, durable: 1, committed: 1, applied: 1)
        log.note(positions, now: 0)
        let moves: [(UInt64, WritableKeyPath<Positions, UInt64>)] = [
            (appended, \.last), (durable, \.durable), (committed, \.committed),
            (applied, \.applied),
        ]
        for (time, path) in moves.sorted(by: { $0.0 < $1.0 }) {
            positions[keyPath: path] = 5
            log.note(positions, now: time)
        }
        return log.times(of: 5)
    }

    @Test("a write waits for its place, the disk and the majority side by side, apply, and the way")
    func write() {
        let second: UInt64 = 1_000_000_000
        let times = entry(
            appended: 2 * second, durable: 9 * second, committed: 5 * second, applied: 6 * second)
        let made = RequestStages(
            began: second, entry: times, readable: nil, answered: 6 * second, sent: 8 * second)
        #expect(
            stages(made) == [
                "queued \(second)", "persisted \(7 * second)", "committed \(3 * second)",
                "applied \(second)", "answered 0", "sent \(2 * second)",
            ])
        #expect(made.longest == .persisted)
    }

    @Test("a read waits for its proof, and for the look-up")
    func read() {
        let made = RequestStages(began: 10, entry: nil, readable: 40, answered: 90, sent: 95)
        #expect(stages(made) == ["confirmed 30", "answered 50", "sent 5"])
        #expect(made.longest == .answered)
    }

    @Test("what is not known is left out, and no stage is negative")
    func unknown() {
        let lost = RequestStages(began: 10, entry: nil, readable: nil, answered: 70, sent: nil)
        #expect(stages(lost) == ["answered 60"])
        let early = RequestStages(began: 50, entry: nil, readable: 20, answered: 40, sent: 30)
        #expect(stages(early) == ["confirmed 0", "answered 0", "sent 0"])
        #expect(early.longest == nil)
        let forgotten = RequestStages(
            began: 10, entry: LogMilestones().times(of: 7), readable: nil, answered: 20, sent: 20)
        #expect(stages(forgotten) == ["answered 10", "sent 0"])
    }
}
