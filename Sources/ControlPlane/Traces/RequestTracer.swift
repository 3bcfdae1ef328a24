package import Monitoring
package import NIOCore
internal import Primitives
package import RPC

/// Makes the spans of traced requests: those of this node's clients, and those of others whose
/// entries went through this node's log.
///
/// A span is made when all of it is known, a moment behind the request's end, from the times of the
/// call and from when the log's positions moved: nothing is kept for a request before it is over,
/// and nothing at all for one that is not traced (docs/decisions/0022-traces.md). Confined to the
/// node's event loop.
package final class RequestTracer {
    /// What the node knows of an entry.
    package struct Entry: Sendable {
        package var times: LogMilestones.Times
        /// Nil where the log does not hold it any more.
        package var term: UInt64?
        package var isLeader: Bool

        package init(times: LogMilestones.Times, term: UInt64?, isLeader: Bool) {
            self.times = times
            self.term = term
            self.isLeader = isLeader
        }
    }

    private enum Work {
        case call(EndedCall, TraceContext)
        case entry(TraceNote)

        var index: UInt64 {
            switch self {
            case .call(let call, _): call.times.logIndex
            case .entry(let note): note.index
            }
        }
    }

    private let entry: (UInt64) -> Entry
    private let tell: ([TraceNote]) -> Void
    private let export: ([TraceSpan]) -> Void
    private let clock: () -> TraceClock
    private var random: SplitMix64
    private var waiting: [(work: Work, since: NIODeadline)] = []
    private var notes: [TraceNote] = []
    /// What found too much waiting.
    package private(set) var suppressed: UInt64 = 0

    package static let waitingMax = 4096
    /// For so long an entry may be on its way to this node's disk and store; then what is known of
    /// it is told. A follower may learn with the next heartbeat only what is committed.
    package static let patience: TimeAmount = .seconds(2)

    /// - Parameter tell: sends notes to the other members.
    /// - Parameter export: takes spans; does not block.
    package init(
        seed: UInt64, clock: @escaping () -> TraceClock = TraceClock.now,
        entry: @escaping (UInt64) -> Entry, tell: @escaping ([TraceNote]) -> Void,
        export: @escaping ([TraceSpan]) -> Void
    ) {
        random = SplitMix64(seed: seed)
        self.clock = clock
        self.entry = entry
        self.tell = tell
        self.export = export
    }

    /// A traced call of this node's client is over.
    package func note(_ call: EndedCall, _ context: TraceContext) {
        add(.call(call, context), since: call.endedAt)
        let index = call.times.logIndex
        guard index > 0, notes.count < TraceNote.countMax else { return }
        notes.append(TraceNote(traceID: context.traceID, spanID: context.spanID, index: index))
    }

    /// Another member had traced calls.
    package func received(_ notes: [TraceNote], now: NIODeadline) {
        for note in notes { add(.entry(note), since: now) }
    }

    private func add(_ work: Work, since: NIODeadline) {
        guard waiting.count < Self.waitingMax else {
            suppressed += 1
            return
        }
        waiting.append((work, since))
    }

    /// A few times each tenth of a second.
    package func tick(now: NIODeadline) {
        if !notes.isEmpty {
            tell(notes)
            notes = []
        }
        if !waiting.isEmpty { finish(by: now) }
    }

    /// The node ends: what is known is told.
    package func finishAll() { finish(by: .distantFuture) }

    private func finish(by now: NIODeadline) {
        var spans: [TraceSpan] = []
        var left: [(work: Work, since: NIODeadline)] = []
        let clock = clock()
        for item in waiting {
            let index = item.work.index
            let entry = index > 0 ? self.entry(index) : nil
            if let entry, !entry.times.isComplete, now < item.since + Self.patience {
                left.append(item)
                continue
            }
            switch item.work {
            case .call(let call, let context):
                write(call, context, entry, clock, into: &spans)
            case .entry(let note):
                if let entry { write(note, entry, clock, into: &spans) }
            }
        }
        waiting = left
        if !spans.isEmpty { export(spans) }
    }

    private func nextSpan(below context: TraceContext) -> TraceContext? {
        SpanID(random.next()).map {
            TraceContext(
                traceID: context.traceID, spanID: $0, parentSpanID: context.spanID)
        }
    }

    private func write(
        _ call: EndedCall, _ context: TraceContext, _ entry: Entry?, _ clock: TraceClock,
        into spans: inout [TraceSpan]
    ) {
        let path = call.path.drop { $0 == "/" }
        var span = TraceSpan(
            context, String(path), .server,
            began: clock.timeOfDay(call.beganAt.uptimeNanoseconds),
            ended: clock.timeOfDay(call.endedAt.uptimeNanoseconds))
        let parts = path.split(separator: "/", maxSplits: 1)
        span.attributes = [
            .init("rpc.system", "grpc"), .init("rpc.service", String(parts.first ?? "")),
            .init("rpc.method", parts.count > 1 ? String(parts[1]) : ""),
            .init("rpc.grpc.status_code", Int64(call.code.rawValue)),
            .init("keelson.request.bytes", Int64(call.times.requestBytes)),
        ]
        if let entry {
            span.attributes += attributes(of: entry, at: call.times.logIndex)
            span.attributes.append(.init("keelson.revision", call.times.revision))
        }
        if call.code.isServersFault { span.failure = call.code.goName }
        spans.append(span)
        let stages = RequestStages(
            began: call.beganAt.uptimeNanoseconds, entry: entry?.times,
            readable: call.times.readableAt?.uptimeNanoseconds,
            answered: (call.times.answeredAt ?? call.endedAt).uptimeNanoseconds,
            sent: call.sentAt?.uptimeNanoseconds)
        write(stages, below: context, clock, into: &spans)
    }

    private func write(
        _ note: TraceNote, _ entry: Entry, _ clock: TraceClock, into spans: inout [TraceSpan]
    ) {
        let caller = TraceContext(
            traceID: note.traceID, spanID: note.spanID, parentSpanID: nil)
        guard let stages = RequestStages(replicated: entry.times),
            let context = nextSpan(below: caller)
        else { return }
        let began = entry.times.appended ?? 0
        let ended = stages.stages.map { $0.began + $0.nanoseconds }.max() ?? began
        var span = TraceSpan(
            context, "entry", .internal, began: clock.timeOfDay(began),
            ended: clock.timeOfDay(ended))
        span.attributes = attributes(of: entry, at: note.index)
        spans.append(span)
        write(stages, below: context, clock, into: &spans)
    }

    private func write(
        _ stages: RequestStages, below context: TraceContext, _ clock: TraceClock,
        into spans: inout [TraceSpan]
    ) {
        for stage in stages.stages {
            guard let place = nextSpan(below: context) else { continue }
            spans.append(
                TraceSpan(
                    place, stage.name.rawValue, .internal, began: clock.timeOfDay(stage.began),
                    ended: clock.timeOfDay(stage.began + stage.nanoseconds)))
        }
    }

    private func attributes(of entry: Entry, at index: UInt64) -> [TraceSpan.Attribute] {
        var attributes: [TraceSpan.Attribute] = [
            .init("keelson.log.index", Int64(clamping: index)),
            .init("keelson.raft.role", entry.isLeader ? "leader" : "follower"),
        ]
        if let term = entry.term {
            attributes.append(.init("keelson.raft.term", Int64(clamping: term)))
        }
        return attributes
    }
}

extension LogMilestones.Times {
    /// Nothing more comes to be known of it.
    fileprivate var isComplete: Bool { durable != nil && applied != nil }
}

extension RPCCode {
    /// Whether OpenTelemetry's conventions count it as the server's failure.
    fileprivate var isServersFault: Bool {
        switch self {
        case .unknown, .deadlineExceeded, .unimplemented, .internalError, .unavailable, .dataLoss:
            true
        case .ok, .cancelled, .invalidArgument, .notFound, .alreadyExists, .permissionDenied,
            .resourceExhausted, .failedPrecondition, .aborted, .outOfRange, .unauthenticated:
            false
        }
    }
}
