internal import Primitives

extension WatchHub {
    package mutating func joinGroup(_ spec: WatchSpec) -> Int {
        if let group = groupBySpec[spec] {
            groups[group].watcherCount += 1
            return group
        }
        let group: Int
        if let free = freeGroups.popLast() {
            groups[free] = Group(spec)
            group = free
        } else {
            group = groups.count
            groups.append(Group(spec))
        }
        if groups[group].space == .datacenter { recordGroupCount += 1 }
        groups[group].watcherCount = 1
        groupBySpec[spec] = group
        switch spec.range {
        case .key(let key): exact[key, default: []].append(group)
        case .range(let from, let to): ranges.insert(group, start: from, end: to)
        case .from(let from): ranges.insert(group, start: from, end: nil)
        }
        return group
    }

    package mutating func dissolve(_ group: Int) {
        let spec = groups[group].spec
        if groups[group].space == .datacenter { recordGroupCount -= 1 }
        groupBySpec[spec] = nil
        switch spec.range {
        case .key(let key):
            exact[key]?.removeAll { $0 == group }
            if exact[key]?.isEmpty == true { exact[key] = nil }
        case .range(let from, let to): ranges.remove(group, start: from, end: to)
        case .from(let from): ranges.remove(group, start: from, end: nil)
        }
        freeGroups.append(group)
    }

    /// Gives a watcher that is in no list the state that its next revision asks for.
    package mutating func settle(_ id: WatcherID, next: Int64) {
        if next <= revision.rawValue {
            enqueue(id, next: next)
        } else if next == revision.rawValue + 1 {
            let group = watchers[id.slot].group
            watchers[id.slot].state = .synced(at: groups[group].synced.count)
            groups[group].synced.append(id)
        } else {
            let place = early.firstIndex { ($0.start, $0.id) > (next, id) } ?? early.count
            early.insert((next, id), at: place)
            watchers[id.slot].state = .early
        }
    }

    package mutating func enqueue(_ id: WatcherID, next: Int64) {
        watchers[id.slot].state = .behind(at: behind.count, next: next)
        behind.append(id)
    }

    /// Takes the watcher out of the list that its state names.
    package mutating func leaveState(_ id: WatcherID) {
        switch watchers[id.slot].state {
        case .synced(let place):
            let group = watchers[id.slot].group
            let last = groups[group].synced.removeLast()
            if last != id {
                groups[group].synced[place] = last
                watchers[last.slot].state = .synced(at: place)
            }
        case .behind(let place, _):
            let last = behind.removeLast()
            if last != id {
                behind[place] = last
                guard case .behind(_, let next) = watchers[last.slot].state else {
                    invariant(false, "a watcher in the queue is behind")
                    return
                }
                watchers[last.slot].state = .behind(at: place, next: next)
            }
        case .early: early.removeAll { $0.id == id }
        case .held: heldCount -= 1
        case .free: break
        }
    }

    /// Watchers whose start has come read it from the log.
    package mutating func wakeEarly() {
        var count = 0
        while count < early.count, early[count].start <= revision.rawValue { count += 1 }
        guard count > 0 else { return }
        let woken = early[..<count]
        early.removeFirst(count)
        for (start, id) in woken { enqueue(id, next: start) }
    }
}

extension WatchHub {
    /// Every list agrees with the state of its members. Cost: linear; for tests and the simulator.
    package func checkInvariants() {
        for (place, id) in behind.enumerated() {
            guard case .behind(let at, let next) = watchers[id.slot].state else {
                invariant(false, "the queue holds a watcher that is not behind")
                return
            }
            invariant(at == place, "a watcher knows its place in the queue")
            invariant(next <= revision.rawValue, "a watcher that is behind has something to read")
        }
        for group in groups where group.watcherCount > 0 {
            invariant(group.pending.isEmpty, "no events stay between calls")
            for (place, id) in group.synced.enumerated() {
                guard case .synced(let at) = watchers[id.slot].state else {
                    invariant(false, "a group lists a watcher that is not synced")
                    return
                }
                invariant(at == place, "a watcher knows its place in its group")
            }
        }
        for entry in early {
            invariant(entry.start > revision.rawValue, "an early watcher's start is ahead")
        }
        let counted = groups.reduce(0) { $0 + $1.watcherCount }
        invariant(counted == watcherCount, "\(counted) watchers in groups, \(watcherCount) in all")
    }
}
