internal import Measuring
internal import NIOCore
internal import RPC

/// One connection's share of the load: it carries out calls, each in a slot of its own.
protocol LoadLane: AnyObject, Sendable {
    /// Starts a call in `slot`, or answers false if it cannot now; it then tells the driver
    /// with ``LoadDriver/laneIsReady(_:)`` when it can.
    func start(slot: Int) -> Bool
}

/// Keeps every slot of every lane busy, one phase at a time: the closed loop, or at a fixed rate.
///
/// Confined to one event loop, hence `@unchecked Sendable`.
final class LoadDriver: @unchecked Sendable {
    let loop: any EventLoop
    private(set) var recorder: BenchRecorder
    private var lanes: [any LoadLane] = []
    private var slotsPerLane = 0
    /// When the call in each slot was started, or should have been.
    private var startedAt: [UInt64] = []
    /// Slots of lanes that could not take a call, and, at a fixed rate, slots without one.
    private var idle: [Int] = []
    private var toStart = 0
    private var inFlight = 0
    private var isRunning = false
    private var promise: EventLoopPromise<BenchRecorder>?
    private var rate: Double?
    private var rateTask: RepeatedTask?
    private var scheduledCount = 0
    private var lastAnswer: UInt64 = 0
    private let stallNanoseconds: UInt64
    private let intervalNanoseconds: UInt64?
    private var timer: Scheduled<Void>?
    private var watchdog: RepeatedTask?

    init(loop: any EventLoop, stallNanoseconds: UInt64, intervalNanoseconds: UInt64? = nil) {
        self.loop = loop
        self.stallNanoseconds = stallNanoseconds
        self.intervalNanoseconds = intervalNanoseconds
        recorder = BenchRecorder(now: monotonicNanoseconds())
    }

    /// Runs one phase: `count` calls, or as many as `duration` allows.
    func run(
        _ lanes: [any LoadLane], slotsPerLane: Int, count: Int?, durationNanoseconds: UInt64?,
        rate: Double? = nil
    ) -> EventLoopFuture<BenchRecorder> {
        loop.preconditionInEventLoop()
        self.lanes = lanes
        self.slotsPerLane = slotsPerLane
        self.rate = rate
        toStart = count ?? .max
        inFlight = 0
        scheduledCount = 0
        let slotCount = lanes.count * slotsPerLane
        startedAt = Array(repeating: 0, count: slotCount)
        let promise = loop.makePromise(of: BenchRecorder.self)
        self.promise = promise
        isRunning = true
        recorder = BenchRecorder(
            now: monotonicNanoseconds(), intervalNanoseconds: intervalNanoseconds)
        lastAnswer = recorder.start
        if let durationNanoseconds {
            timer = loop.scheduleTask(in: .nanoseconds(Int64(durationNanoseconds))) {
                self.toStart = 0
                self.endIfDone()
            }
        }
        watchdog = loop.scheduleRepeatedTask(
            initialDelay: .milliseconds(200), delay: .milliseconds(200)
        ) { _ in self.checkForStall() }
        idle = Array((0..<slotCount).reversed())
        if rate != nil {
            rateTask = loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(1)) {
                _ in self.startWhatIsDue()
            }
        } else {
            startIdle(recorder.start)
        }
        endIfDone()
        return promise.futureResult
    }

    /// A call has ended. `failure` is nil when it succeeded, with an answer of `byteCount` bytes.
    @inline(__always)
    func finished(
        lane: Int, slot: Int, _ failure: (code: RPCCode, message: String)?, byteCount: Int = 0
    ) {
        let now = monotonicNanoseconds()
        let index = lane * slotsPerLane + slot
        guard isRunning, index < startedAt.count else { return }
        inFlight -= 1
        lastAnswer = now
        if let failure {
            recorder.failed(failure.code, failure.message)
        } else {
            recorder.succeeded(
                now: now, latency: now &- startedAt[index], byteCount: byteCount)
        }
        if rate == nil, failure == nil {
            start(index, now)
        } else {
            idle.append(index)
            if rate == nil { scheduleRestart() }
        }
        if inFlight == 0 { endIfDone() }
    }

    /// A lane takes calls again.
    func laneIsReady(_ lane: Int) {
        if isRunning, rate == nil { startIdle(monotonicNanoseconds()) }
    }

    // MARK: - Starting

    private func start(_ index: Int, _ now: UInt64) {
        guard toStart > 0 else { return }
        startedAt[index] = now
        toStart -= 1
        inFlight += 1
        if lanes[index / slotsPerLane].start(slot: index % slotsPerLane) { return }
        toStart += 1
        inFlight -= 1
        idle.append(index)
    }

    private func startIdle(_ now: UInt64) {
        let waiting = idle
        idle.removeAll(keepingCapacity: true)
        for index in waiting.reversed() where toStart > 0 { start(index, now) }
    }

    /// After a failure a slot rests for a moment, so that a refusing server is not hammered.
    private func scheduleRestart() {
        if isRestartScheduled { return }
        isRestartScheduled = true
        loop.scheduleTask(in: .milliseconds(2)) {
            self.isRestartScheduled = false
            if self.isRunning { self.startIdle(monotonicNanoseconds()) }
        }
    }
    private var isRestartScheduled = false

    /// Starts the calls whose time has come. A call that found no free slot keeps its time, so that
    /// waiting for one counts as latency.
    private func startWhatIsDue() {
        guard isRunning, let rate else { return }
        let now = monotonicNanoseconds()
        let due = Int(Double(now &- recorder.start) / 1e9 * rate)
        var attempts = idle.count
        while scheduledCount < due, toStart > 0, attempts > 0, let index = idle.popLast() {
            attempts -= 1
            let time = recorder.start &+ UInt64(Double(scheduledCount) / rate * 1e9)
            let before = toStart
            start(index, time)
            if toStart < before {
                scheduledCount += 1
            } else {
                // Its lane is not connected: let the others have their turn.
                idle.insert(idle.removeLast(), at: 0)
            }
        }
    }

    // MARK: - Ending

    private func endIfDone() {
        if toStart == 0, inFlight == 0 { end() }
    }

    private func checkForStall() {
        let now = monotonicNanoseconds()
        guard isRunning, now &- lastAnswer > stallNanoseconds else { return }
        let seconds = stallNanoseconds / 1_000_000_000
        recorder.failed(
            .deadlineExceeded, "no answer for \(seconds) s: the run was given up",
            count: max(inFlight, 1))
        end()
    }

    private func end() {
        guard isRunning else { return }
        isRunning = false
        recorder.end(now: lastAnswer)
        timer?.cancel()
        watchdog?.cancel()
        rateTask?.cancel()
        // Its listeners start the next phase at once, with a promise of its own.
        let promise = self.promise
        self.promise = nil
        promise?.succeed(recorder)
    }
}
