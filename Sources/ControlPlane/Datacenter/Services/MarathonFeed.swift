internal import DequeModule
internal import Logging
internal import NIOCore
internal import Scheduling
internal import StateMachine

/// Marathon's events, as they follow from what this node applies, for those who listen here; and
/// the newest of them once more for clients that were away, from this node or another one.
///
/// Confined to the node's event loop.
final class MarathonFeed {
    /// One event, encoded once for all.
    private struct Frame {
        var index: UInt64
        var type: String
        var bytes: [UInt8]
    }

    private struct Listener {
        var outbox: EventOutbox<[UInt8]>
        /// None: all of them.
        var types: Set<String>
        /// It has these already.
        var after: UInt64
    }

    /// What tells a task's news from a repetition.
    private struct Known: Equatable {
        var state: TaskState
        var uuid: [UInt8]

        init(_ record: TaskRecord) {
            state = record.state
            uuid = record.lastUUID
        }
    }

    private let facade: any DatacenterFacade
    private let settings: SurfaceSettings
    private let logger: Logger
    private var observer: ChangeObserverID?
    private var history: Deque<Frame> = []
    private var historyBytes = 0
    /// All that came behind it is in ``history``.
    private var since: UInt64 = 0
    private var listeners: [String: Listener] = [:]
    private var known: [TaskKey: Known] = [:]
    private var beatAt = NIODeadline.now()

    init(_ facade: any DatacenterFacade, _ settings: SurfaceSettings, _ logger: Logger) {
        self.facade = facade
        self.settings = settings
        self.logger = logger
    }

    private var revision: UInt64 { UInt64(clamping: facade.revision) }
    private var view: MarathonView { MarathonSnapshot.view(of: facade) }

    func start() {
        guard observer == nil else { return }
        begin()
        observer = facade.observe { [weak self] in self?.follow($0) }
    }

    /// Nothing of before is known.
    private func begin() {
        history = []
        historyBytes = 0
        since = revision
        known = [:]
        for (key, record) in facade.table.tasks where key.framework == ServiceFramework.id {
            known[key] = Known(record)
        }
    }

    // MARK: - Listeners

    /// - Parameters:
    ///   - types: of events; none: all of them.
    ///   - after: the last event that the client has; nil: it wants what is new.
    /// - Returns: false where there are too many, or the connection has gone.
    func subscribe(
        _ name: String, _ outbox: EventOutbox<[UInt8]>, types: [String], after: UInt64?,
        remoteAddress: String
    ) -> Bool {
        guard listeners.count < settings.streamsMax, !outbox.isEnded else { return false }
        let listener = Listener(outbox: outbox, types: Set(types), after: after ?? revision)
        push(
            view.attached(remoteAddress: remoteAddress, index: revision, clock: facade.clock).frame,
            to: listener)
        listeners[name] = listener
        guard let after else { return true }
        if after < since {
            push(view.gap(after: after, index: since, clock: facade.clock).frame, to: listener)
        }
        deliver(history.filter { $0.index > after }[...], to: listener)
        return true
    }

    func closed(_ name: String) { listeners[name] = nil }

    private func push(_ bytes: [UInt8], to listener: Listener) {
        listener.outbox.push(bytes, bytes: bytes.count)
    }

    /// - Parameter frames: whole entries, in their order.
    private func deliver(_ frames: ArraySlice<Frame>, to listener: Listener) {
        let wanted = frames.filter { frame in
            frame.index > listener.after
                && (listener.types.isEmpty || listener.types.contains(frame.type))
        }
        for (place, frame) in wanted.enumerated() {
            let isLast = place + 1 == wanted.count || wanted[place + 1].index != frame.index
            let bytes = isLast ? MarathonEvent.idLine(frame.index) + frame.bytes : frame.bytes
            push(bytes, to: listener)
        }
    }

    // MARK: - Changes

    private func follow(_ entries: [AppliedChanges]?) {
        guard let entries else {
            let before = since
            begin()
            for listener in listeners.values {
                push(view.gap(after: before, index: since, clock: facade.clock).frame, to: listener)
            }
            return
        }
        let frames = frames(of: entries)
        if frames.isEmpty { return }
        remember(frames)
        for listener in listeners.values { deliver(frames[...], to: listener) }
    }

    /// Each entry's events are the same on every node, however many it applies at once: they are
    /// made of the records as that entry left them.
    private func frames(of entries: [AppliedChanges]) -> [Frame] {
        let news = entries.compactMap { entry -> (AppliedChanges, EntryRecords)? in
            guard entry.changes.contains(where: Self.isOfServices) else { return nil }
            var entry = entry
            let records = EntryRecords(entry.records)
            entry.changes.removeAll { !isNews($0, records) }
            return entry.changes.isEmpty ? nil : (entry, records)
        }
        if news.isEmpty { return [] }
        // Of instances that are gone by now.
        var owners: [InstanceID: ServiceID] = [:]
        for (entry, _) in news {
            for case .instance(let id, let service) in entry.changes { owners[id] = service }
        }
        let view = view
        let clock = facade.clock
        return news.flatMap { entry, records in
            view.events(
                entry.changes, of: records, owners: owners,
                index: UInt64(clamping: entry.revision), clock: clock
            ).map { Frame(index: $0.index, type: $0.type, bytes: $0.frame) }
        }
    }

    private static func isOfServices(_ change: DatacenterChange) -> Bool {
        switch change {
        case .task(let key): key.framework == ServiceFramework.id
        case .service, .instance, .deployment: true
        case .agent, .framework, .executor, .role, .master: false
        }
    }

    /// Whether anybody may want to hear of it. An acknowledgement changes a task's record, and
    /// tells nothing.
    private func isNews(_ change: DatacenterChange, _ records: EntryRecords) -> Bool {
        guard Self.isOfServices(change) else { return false }
        switch change {
        case .task(let key):
            guard let record = records.task(key) else {
                known[key] = nil
                return false
            }
            let now = Known(record)
            return known.updateValue(now, forKey: key) != now
        case .service, .instance, .deployment: return true
        case .agent, .framework, .executor, .role, .master: return false
        }
    }

    /// The oldest entries go, each as a whole.
    private func remember(_ frames: [Frame]) {
        history.append(contentsOf: frames)
        historyBytes += frames.reduce(0) { $0 + $1.bytes.count }
        while history.count > settings.eventsMax || historyBytes > settings.eventsBytesMax {
            guard let oldest = history.first?.index else { return }
            while let first = history.first, first.index == oldest {
                history.removeFirst()
                historyBytes -= first.bytes.count
            }
            since = oldest
        }
    }

    // MARK: - Time

    func tick(_ now: NIODeadline) {
        for (name, listener) in Array(listeners) {
            guard let stalled = listener.outbox.stalled(at: now),
                stalled >= .seconds(settings.stallSeconds)
            else { continue }
            logger.notice(
                "event stream ends", metadata: ["stream": "\(name)", "reason": "it reads nothing"])
            listener.outbox.fail("it reads nothing")
            closed(name)
        }
        guard now - beatAt >= .seconds(settings.heartbeatSeconds) else { return }
        beatAt = now
        for listener in listeners.values { push(Array(":\n\n".utf8), to: listener) }
    }

    func stop() {
        for listener in listeners.values { listener.outbox.finish() }
        listeners = [:]
        if let observer { facade.unobserve(observer) }
        observer = nil
    }
}
