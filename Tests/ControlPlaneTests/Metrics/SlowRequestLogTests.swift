import ControlPlane
import Logging
import Monitoring
import NIOCore
import RPC
import Synchronization
import Testing

@Suite("The log of slow requests")
struct SlowRequestLogTests {
    /// Keeps the lines that are logged.
    private final class Lines: Sendable {
        let all = Mutex<[(text: String, fields: [String: String])]>([])
        var count: Int { all.withLock { $0.count } }
        var last: [String: String] { all.withLock { $0.last?.fields ?? [:] } }
        var lastText: String { all.withLock { $0.last?.text ?? "" } }
    }

    private struct Keeper: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).mapValues { "\($0)" }
            lines.all.withLock { $0.append(("\(event.message)", fields)) }
        }
    }

    private let start = NIODeadline.now()

    private func call(
        began: Int64 = 0, answered: Int64, sent: Int64?, index: UInt64 = 0, readable: Int64? = nil
    ) -> EndedCall {
        func time(_ milliseconds: Int64) -> NIODeadline { start + .milliseconds(milliseconds) }
        var times = CallTimes()
        times.answeredAt = time(answered)
        times.logIndex = index
        times.readableAt = readable.map(time)
        return EndedCall(
            path: "/etcdserverpb.KV/Put", beganAt: time(began), times: times,
            sentAt: sent.map(time), endedAt: time(sent ?? answered), code: .ok)
    }

    private func log(
        _ lines: Lines,
        _ times: @escaping (UInt64) -> LogMilestones.Times = { _ in
            LogMilestones().times(of: 0)
        }
    ) -> SlowRequestLog {
        let keeper = Keeper(lines: lines)
        return SlowRequestLog(logger: Logger(label: "test") { _ in keeper }, timesOfEntry: times)
    }

    @Test("a line names the call, its times, and the stage that took longest")
    func line() {
        let lines = Lines()
        let log = log(lines) { _ in
            var milestones = LogMilestones()
            var positions = LogMilestones.Positions()
            func note(_ milliseconds: Int64) {
                milestones.note(
                    positions, now: (start + .milliseconds(milliseconds)).uptimeNanoseconds)
            }
            positions.last = 1
            note(-5)
            positions.last = 7
            note(20)
            positions.durable = 7
            note(50)
            positions.committed = 7
            note(170)
            positions.applied = 7
            note(180)
            return milestones.times(of: 7)
        }
        log.note(call(answered: 181, sent: 185, index: 7))
        #expect(lines.lastText == "slow request")
        #expect(
            lines.last == [
                "event": "slow_request", "method": "/etcdserverpb.KV/Put", "code": "OK",
                "took_ms": "185.0", "queued_ms": "20.0", "persisted_ms": "30.0",
                "committed_ms": "150.0", "applied_ms": "10.0", "answered_ms": "1.0",
                "sent_ms": "4.0", "longest": "committed", "index": "7",
            ])
    }

    @Test("a read's line tells of its proof; what was never sent has no time for that")
    func read() {
        let lines = Lines()
        log(lines).note(call(answered: 300, sent: nil, readable: 290))
        #expect(lines.last["confirmed_ms"] == "290.0")
        #expect(lines.last["answered_ms"] == "10.0")
        #expect(lines.last["sent_ms"] == nil && lines.last["index"] == nil)
        #expect(lines.last["longest"] == "confirmed")
    }

    @Test("so many lines a second are written, and the next one says how many were not")
    func limit() {
        let lines = Lines()
        let log = log(lines)
        for _ in 1...25 { log.note(call(answered: 200, sent: 200)) }
        #expect(lines.count == SlowRequestLog.linesPerSecondMax)
        #expect(lines.last["suppressed"] == nil)
        log.note(call(began: 5000, answered: 5200, sent: 5200))
        #expect(lines.count == SlowRequestLog.linesPerSecondMax + 1)
        #expect(lines.last["suppressed"] == "15")
        log.note(call(began: 5000, answered: 5200, sent: 5200))
        #expect(lines.last["suppressed"] == nil)
        #expect(log.total == 27)
    }
}
