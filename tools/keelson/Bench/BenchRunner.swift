internal import KeelsonClient
internal import Measuring
internal import NIOCore
internal import NIOPosix
internal import Primitives
internal import RPC

/// Carries out a plan: connects, makes the keys that it needs, warms up, measures.
///
/// Everything runs on one event loop, hence `@unchecked Sendable`.
final class BenchRunner: @unchecked Sendable {
    static let prefix = "/bench/"

    private let plan: BenchPlan
    private let loop: any EventLoop
    private let driver: LoadDriver
    private let endpoints: [BenchPlace]
    private var random: SplitMix64
    private let values: ValuePool
    private var watches: WatchLoad?
    private var isMeasuring = false

    init(plan: BenchPlan, loop: any EventLoop) {
        self.plan = plan
        self.loop = loop
        driver = LoadDriver(
            loop: loop, stallNanoseconds: plan.stallNanoseconds,
            intervalNanoseconds: plan.intervalNanoseconds)
        endpoints = plan.endpoints.map { endpoint in
            BenchPlace(
                host: endpoint.host, port: endpoint.port,
                security: endpoint.usesTLS ? plan.tls?.security(for: endpoint.host) : nil)
        }
        random = SplitMix64(seed: plan.seed)
        values = ValuePool(valueByteCount: plan.valueByteCount, random: &random)
    }

    /// What the phase under way has done so far, for a progress line.
    func progress() -> EventLoopFuture<(isMeasuring: Bool, completed: Int, failed: Int)> {
        loop.submit {
            let recorder = self.watches?.recorder ?? self.driver.recorder
            return (self.isMeasuring, recorder.completedCount, recorder.failureCount)
        }
    }

    func run() -> EventLoopFuture<BenchReport> {
        loop.flatSubmit {
            switch self.plan.target {
            case .put, .range, .rangeSerializable, .mixed, .txn: self.runUnary()
            case .lease: self.runLeases()
            case .watch: self.runWatches()
            case .tasks, .agents, .allocator:
                self.loop.makeFailedFuture(Failure(.failed, "tasks are a load of their own"))
            }
        }
    }

    // MARK: - Targets

    private func runUnary() -> EventLoopFuture<BenchReport> {
        let fill = source(.put, isSequential: true)
        let needsKeys = plan.target != .put && !plan.isPrepared
        let measured: any MessageSource =
            plan.target == .mixed
            ? MixedSource(
                reads: source(.range, isSequential: plan.isSequential),
                writes: source(.put, isSequential: plan.isSequential),
                readPercent: plan.readPercent, random: SplitMix64(seed: random.next()))
            : source(plan.target, isSequential: plan.isSequential)
        let lanes = makeLanes(plan.connectionCount, source: needsKeys ? fill : measured)
        return connect(lanes).flatMap {
            guard needsKeys else { return self.loop.makeSucceededVoidFuture() }
            return self.fill(lanes, count: self.plan.keyCount).map {
                for lane in lanes { lane.source = measured }
            }
        }.flatMap {
            self.warmUpAndMeasure(lanes, slotsPerLane: self.plan.streamsPerConnection)
        }.map { recorder in
            for lane in lanes { lane.close() }
            return BenchReport(plan: self.plan, recorder: recorder)
        }
    }

    private func runLeases() -> EventLoopFuture<BenchReport> {
        // Ids that no earlier run has used: from the clock, and below 2^62.
        let firstID = plan.firstLease ?? Int64(monotonicNanoseconds() & 0x3FFF_FFFF) << 31
        let granting = makeLanes(plan.connectionCount, source: LeaseGrantSource(firstID: firstID))
        let lanes = (0..<plan.connectionCount).map { number in
            LeaseLane(
                number: number, driver: driver, endpoints: endpoints, first: number,
                slotCount: plan.streamsPerConnection, firstID: firstID,
                chooser: KeyChooser(keyCount: plan.keyCount, isSequential: plan.isSequential),
                random: SplitMix64(seed: random.next()))
        }
        return connect(granting).flatMap {
            guard !self.plan.isPrepared else { return self.loop.makeSucceededVoidFuture() }
            return self.fill(granting, count: self.plan.keyCount)
        }.flatMap {
            for lane in granting { lane.close() }
            return self.connect(lanes)
        }.flatMap {
            self.warmUpAndMeasure(lanes, slotsPerLane: self.plan.streamsPerConnection)
        }.map { recorder in
            for lane in lanes { lane.close() }
            return BenchReport(plan: self.plan, recorder: recorder)
        }
    }

    private func runWatches() -> EventLoopFuture<BenchReport> {
        let watches = WatchLoad(
            loop: loop, stallNanoseconds: plan.stallNanoseconds,
            intervalNanoseconds: plan.intervalNanoseconds)
        self.watches = watches
        let writers = makeLanes(1, source: source(.watch, isSequential: plan.isSequential))
        return watches.open(
            endpoints: endpoints, connectionCount: plan.connectionCount,
            watchesPerConnection: plan.streamsPerConnection
        ).flatMap {
            self.connect(writers)
        }.flatMap {
            self.writeAndWatch(writers, watches, count: self.plan.warmUpCount, duration: nil)
        }.flatMap { _ in
            self.isMeasuring = true
            return self.writeAndWatch(
                writers, watches, count: self.plan.total, duration: self.plan.durationNanoseconds)
        }.map { counted in
            watches.close()
            for lane in writers { lane.close() }
            return BenchReport(
                plan: self.plan, recorder: counted.events, writes: counted.writes)
        }
    }

    private func writeAndWatch(
        _ writers: [UnaryLane], _ watches: WatchLoad, count: Int?, duration: UInt64?
    ) -> EventLoopFuture<(writes: BenchRecorder, events: BenchRecorder)> {
        watches.restart()
        return driver.run(
            writers, slotsPerLane: plan.writerCount, count: count, durationNanoseconds: duration,
            rate: plan.rate
        ).flatMap { writes in
            watches.waitForEvents(ofWrites: writes.completedCount).map { (writes, $0) }
        }
    }

    // MARK: - Phases

    private func makeLanes(_ count: Int, source: any MessageSource) -> [UnaryLane] {
        (0..<count).map {
            UnaryLane(number: $0, driver: driver, endpoints: endpoints, first: $0, source: source)
        }
    }

    private func connect<Lane: ReconnectingLane>(_ lanes: [Lane]) -> EventLoopFuture<Void> {
        connect(lanes[...])
    }

    private func connect<Lane: ReconnectingLane>(
        _ lanes: ArraySlice<Lane>
    ) -> EventLoopFuture<Void> {
        let first = lanes.prefix(BenchPlan.openingsMax)
        let rest = lanes.dropFirst(BenchPlan.openingsMax)
        let connected = EventLoopFuture.andAllSucceed(first.map { $0.connect() }, on: loop)
        return rest.isEmpty ? connected : connected.flatMap { self.connect(rest) }
    }

    /// Makes what the run needs. A failure here ends the run: what it measured would mean nothing.
    private func fill(_ lanes: [UnaryLane], count: Int) -> EventLoopFuture<Void> {
        driver.run(
            Array(lanes.prefix(BenchPlan.fillConnectionsMax)),
            slotsPerLane: BenchPlan.fillStreamsPerConnection, count: count,
            durationNanoseconds: nil
        ).flatMapThrowing { recorder in
            guard let failure = recorder.failures.keys.first else { return }
            throw RPCStatus(
                failure.code, "preparing the run failed: \(failure.message)")
        }
    }

    private func warmUpAndMeasure(
        _ lanes: [any LoadLane], slotsPerLane: Int
    ) -> EventLoopFuture<BenchRecorder> {
        driver.run(
            lanes, slotsPerLane: slotsPerLane, count: plan.warmUpCount, durationNanoseconds: nil
        ).flatMap { _ in
            self.isMeasuring = true
            return self.driver.run(
                lanes, slotsPerLane: slotsPerLane, count: self.plan.total,
                durationNanoseconds: self.plan.durationNanoseconds, rate: self.plan.rate)
        }
    }

    private func source(_ target: BenchTarget, isSequential: Bool) -> KeyedSource {
        let isRead = target == .range || target == .rangeSerializable
        let keysBehind = isRead ? plan.rangeKeyCount - 1 : 0
        let chooser = KeyChooser(
            keyCount: plan.keyCount - keysBehind, isSequential: isSequential)
        let generator = SplitMix64(seed: random.next())
        let size = plan.valueByteCount
        let prefix = BenchRunner.prefix
        switch target {
        case .put, .mixed, .lease, .tasks, .agents, .allocator:
            return KeyedSource(
                path: "/etcdserverpb.KV/Put",
                template: .put(prefix: prefix, valueByteCount: size), chooser: chooser,
                values: values, valueByteCount: size, random: generator)
        case .watch:
            return KeyedSource(
                path: "/etcdserverpb.KV/Put",
                template: .put(prefix: WatchLoad.prefix, valueByteCount: size), chooser: chooser,
                values: values, valueByteCount: size, random: generator, isStamped: true)
        case .range, .rangeSerializable:
            return KeyedSource(
                path: "/etcdserverpb.KV/Range",
                template: .range(
                    prefix: prefix, keyCount: plan.rangeKeyCount,
                    serializable: target == .rangeSerializable),
                chooser: chooser, values: nil, valueByteCount: 0, random: generator,
                answerBytesMin: plan.rangeKeyCount
                    * (size + prefix.utf8.count + RequestTemplate.digitCount))
        case .txn:
            return KeyedSource(
                path: "/etcdserverpb.KV/Txn",
                template: .txn(prefix: prefix, valueByteCount: size), chooser: chooser,
                values: values, valueByteCount: size, random: generator)
        }
    }
}
