internal import Primitives

extension AgentCore {
    /// Moves a run to a state and queues the update that says so.
    mutating func report(
        at place: Int, _ state: TaskState, _ reason: StatusReason = .none, _ message: String = ""
    ) {
        let record = entries[place].record
        if record.isExecutor {
            // Nobody is told of it but by what becomes of its tasks.
            entries[place].record.state = state
            return markChanged(record.container)
        }
        var update = StatusUpdate(
            id: drawID(), key: record.key, container: record.container, state: state,
            reason: reason, message: message, atMillis: nowMillis)
        update.isHealthy = record.isHealthy
        update.check = record.check
        queue(update, at: place)
    }

    mutating func queue(_ update: StatusUpdate, at place: Int) {
        entries[place].record.state = update.state
        entries[place].record.latest = update
        makeRoom(at: place)
        entries[place].record.pending.append(update)
        markChanged(entries[place].record.container)
        if entries[place].record.pending.count == 1 { sendFirst(at: place) }
    }

    /// Health that changes while nobody listens: only the newest word of it is worth keeping. A
    /// change of state is never dropped: a task has fewer states than there is room.
    private mutating func makeRoom(at place: Int) {
        let pending = entries[place].record.pending
        guard pending.count >= AgentLimits.pendingUpdatesMax else { return }
        let isWord = { (update: StatusUpdate) in
            update.reason == .healthChanged || update.reason == .checkChanged
        }
        let old = pending.indices.dropFirst().first { isWord(pending[$0]) }
        invariant(old != nil, "\(pending.count) changes of state of one task wait")
        if let old { entries[place].record.pending.remove(at: old) }
    }

    mutating func sendFirst(at place: Int) {
        guard isConnected, let first = entries[place].record.pending.first else { return }
        entries[place].resendAtMillis = nowMillis.addingCapped(entries[place].resendMillis)
        work.effects.append(.send(first))
    }

    /// An acknowledgement of anything but the first pending update is an old one: no effect.
    mutating func acknowledge(_ key: TaskKey, _ id: UpdateID) {
        // The newest run is the usual one; an older run of the same id may still wait, too.
        let newest = containerOfKey[key].flatMap { index(of: $0) }
        let place =
            newest.flatMap { isAwaited(id, at: $0) ? $0 : nil }
            ?? entries.indices.first { isAwaited(id, at: $0) && entries[$0].record.key == key }
        guard let place else { return }
        entries[place].record.pending.removeFirst()
        entries[place].resendAtMillis = nil
        entries[place].resendMillis = AgentLimits.resendMillisMin
        markChanged(entries[place].record.container)
        sendFirst(at: place)
        if entries[place].record.isSettled { collectSandboxes() }
    }

    private func isAwaited(_ id: UpdateID, at place: Int) -> Bool {
        entries[place].record.pending.first?.id == id
    }

    mutating func tick(_ millis: UInt64) {
        if millis < nowMillis { clockWentBack(to: millis) }
        // A clock that was set forward is no time that an executor had.
        let passed = min(millis > nowMillis ? millis - nowMillis : 0, Self.tickMillisMax)
        nowMillis = millis
        countDown(passed)
        for place in entries.indices {
            guard isConnected, let due = entries[place].resendAtMillis, due <= millis else {
                continue
            }
            entries[place].resendMillis = min(
                entries[place].resendMillis * 2, AgentLimits.resendMillisMax)
            sendFirst(at: place)
        }
        collectSandboxes()
    }

    /// Milliseconds that may pass between two ticks.
    private static let tickMillisMax: UInt64 = 5000

    /// Waits that were counted on the old time would last as long as the clock was ahead.
    private mutating func clockWentBack(to millis: UInt64) {
        for place in entries.indices where entries[place].resendAtMillis != nil {
            entries[place].resendAtMillis = millis
        }
    }

    /// Removes runs that are over, known to the master and old enough for how full the disk is.
    mutating func collectSandboxes() {
        let age = sandboxAgeMillis
        let now = nowMillis
        let isOver = { (entry: Entry) in
            guard entry.record.isSettled, let ended = entry.record.endedAtMillis else {
                return false
            }
            // A task without a sandbox is only kept for executors that repeat themselves.
            let kept = entry.record.remote == nil ? age : min(age, AgentLimits.remoteMillis)
            return now >= ended.addingCapped(kept)
        }
        let over = entries.filter(isOver).map { $0.record }
        guard !over.isEmpty else { return }
        entries.removeAll(where: isOver)
        for record in over {
            if containerOfKey[record.key] == record.container {
                containerOfKey[record.key] = nil
            }
            if let key = record.executorKey, runOfExecutor[key] == record.container {
                runOfExecutor[key] = nil
            }
            work.changed.removeAll { $0 == record.container }
            work.removed.append(record.container)
            work.effects.append(.removeRun(record))
        }
    }

    /// The allowed age shrinks in proportion as the free part of the disk nears the headroom.
    private var sandboxAgeMillis: UInt64 {
        let usable = UInt64(1000 - min(settings.headroomPermille, 1000))
        let used = min(UInt64(diskPermille), usable)
        // However full it is: why a task ended is looked up just after its end.
        let least = min(settings.sandboxMillis, AgentLimits.sandboxMillisMin)
        guard usable > 0 else { return least }
        let (high, low) = settings.sandboxMillis.multipliedFullWidth(by: usable - used)
        return max(least, usable.dividingFullWidth((high, low)).quotient)
    }
}

extension UInt64 {
    package func addingCapped(_ other: UInt64) -> UInt64 {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? .max : sum
    }
}
