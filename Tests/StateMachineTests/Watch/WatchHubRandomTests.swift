import Primitives
import StateMachine
import Testing

/// Random writes, compactions, watchers, refusals and slices against a model that keeps everything.
struct WatchWorld {
    var random: SplitMix64
    var log = HistoryLog()
    var hub: WatchHub
    var revision: Int64 = 1
    var watchers: [ModelWatcher] = []
    var failures: [String] = []

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        hub = WatchHub(revision: Revision(1))
    }

    mutating func draw(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }

    mutating func drawKey() -> [UInt8] {
        let name = (0...draw(2)).map { _ in UInt8(draw(4)) }
        // One in four is a record of the datacenter's, which is another space.
        return draw(4) == 0 ? Array("/keelson/".utf8) + name : name
    }

    mutating func drawSpec() -> WatchSpec {
        while true {
            let end: [UInt8] = [[], [0], drawKey(), drawKey()][draw(4)]
            if let range = WatchRange(key: drawKey(), end: end) {
                return WatchSpec(
                    range: range, withoutPuts: draw(5) == 0, withoutDeletes: draw(5) == 0,
                    withPrevious: draw(2) == 0)
            }
        }
    }

    mutating func run(steps: Int) {
        for _ in 0..<steps {
            switch draw(20) {
            case 0...6: write(jumping: draw(25) == 0)
            case 7...9: addWatcher()
            case 10: removeWatcher()
            case 11: compact()
            case 12: holdWatcher()
            case 13...14: resumeWatcher()
            default: receive(hub.catchUp(log: log, recordsMax: 1 + draw(12)))
            }
            checkMarks()
            hub.checkInvariants()
        }
        for index in watchers.indices {
            watchers[index].isHeld = false
            hub.resume(watchers[index].id)
        }
        while hub.needsCatchUp { receive(hub.catchUp(log: log, recordsMax: 7), refusing: false) }
        hub.checkInvariants()
        for watcher in watchers where watcher.overtakenAt == nil {
            let expected = watcher.expected(in: log, through: revision)
            if watcher.seen != expected {
                failures.append("\(watcher.spec) saw \(watcher.seen), expected \(expected)")
            }
        }
    }

    mutating func write(jumping: Bool) {
        var batch: [Record] = []
        for _ in 0...draw(3) {
            var keys: [[UInt8]] = []
            for _ in 0...draw(3) {
                let key = drawKey()
                if !keys.contains(key) { keys.append(key) }
            }
            var changes: [Record] = []
            for key in keys {
                let sub = Int32(changes.count)
                if draw(3) > 0 {
                    changes.append(.put(key, revision: revision + 1, sub: sub))
                } else if (log.records + batch).last(where: { $0.key.storage == key }).map({
                    !$0.isTombstone
                }) ?? false {
                    changes.append(.delete(key, revision: revision + 1, sub: sub))
                }
            }
            if !changes.isEmpty { revision += 1 }
            batch += changes
        }
        log.records += batch
        if jumping {
            hub.jump(to: Revision(revision))
        } else {
            receive(hub.publish(batch, through: Revision(revision), log: log))
        }
    }

    mutating func addWatcher() {
        let spec =
            draw(3) > 0 || watchers.isEmpty ? drawSpec() : watchers[draw(watchers.count)].spec
        let start: Int64 =
            switch draw(4) {
            case 0: 0
            case 1: revision + Int64(draw(6))
            default: 1 + Int64(draw(Int(revision)))
            }
        let id = hub.add(spec, start: start)
        let first = start == 0 ? revision + 1 : start
        watchers.append(ModelWatcher(id: id, spec: spec, first: first, start: start))
    }

    mutating func removeWatcher() {
        guard !watchers.isEmpty else { return }
        let watcher = watchers.remove(at: draw(watchers.count))
        hub.remove(watcher.id)
        if hub.contains(watcher.id) { failures.append("a removed watcher is still there") }
    }

    mutating func compact() {
        let target = log.compactedRevision.rawValue + Int64(draw(8))
        log.compactedRevision = Revision(min(target, revision))
    }

    mutating func holdWatcher() {
        guard !watchers.isEmpty else { return }
        let index = draw(watchers.count)
        guard hub.mayMarkProgress(watchers[index].id), !watchers[index].isHeld else { return }
        watchers[index].isHeld = true
        hub.hold(watchers[index].id, from: Revision(revision + 1))
    }

    mutating func resumeWatcher() {
        guard !watchers.isEmpty else { return }
        let index = draw(watchers.count)
        watchers[index].isHeld = false
        hub.resume(watchers[index].id)
    }

    mutating func receive(_ outputs: [WatchOutput], refusing: Bool = true) {
        for output in outputs {
            switch output {
            case .overtaken(let id, let compacted):
                guard let index = watchers.firstIndex(where: { $0.id == id }) else { continue }
                overtake(index, compacted: compacted.rawValue)
            case .events(let delivery, let takers):
                check(delivery)
                for id in takers {
                    guard let index = watchers.firstIndex(where: { $0.id == id }) else {
                        failures.append("events for a watcher that is gone")
                        continue
                    }
                    if refusing && draw(6) == 0 {
                        watchers[index].isHeld = true
                        hub.hold(id, from: delivery.from)
                    } else {
                        deliver(delivery, to: index)
                    }
                }
            }
        }
    }

    mutating func overtake(_ index: Int, compacted: Int64) {
        let watcher = watchers[index]
        watchers[index].overtakenAt = compacted
        let expected = watcher.expected(in: log, through: compacted - 1)
        let reached = watcher.seen.last?.revision ?? 0
        if compacted != log.compactedRevision.rawValue { failures.append("W11: \(compacted)") }
        if reached >= compacted || watcher.first >= compacted {
            failures.append("W11: cancelled at \(reached) although \(compacted) is readable")
        }
        if !expected.starts(with: watcher.seen) { failures.append("W11: \(watcher.seen)") }
        if hub.contains(watcher.id) { failures.append("an overtaken watcher is still there") }
        watchers.remove(at: index)
    }

    /// W8: the previous pair is the state one revision earlier; it lacks only where compacted.
    mutating func check(_ delivery: WatchDelivery) {
        if delivery.headerRevision.rawValue != revision { failures.append("header revision") }
        if delivery.events.isEmpty { failures.append("a delivery without events") }
        for event in delivery.events {
            let before = log.stateBefore(event.record)
            let isSpared = event.record.modRevision - 1 >= log.compactedRevision.rawValue
            let expected = delivery.spec.withPrevious && isSpared ? before : nil
            if event.previous?.modRevision != expected?.modRevision { failures.append("W8") }
        }
    }

    /// W1 to W5, W7, W10: what was seen is exactly the next part of what was to be seen, in whole
    /// revisions.
    mutating func deliver(_ delivery: WatchDelivery, to index: Int) {
        if watchers[index].isHeld { failures.append("a held watcher is given events") }
        if watchers[index].spec != delivery.spec { failures.append("events of another spec") }
        watchers[index].seen += delivery.events.map { SeenEvent($0.record) }
        guard let last = watchers[index].seen.last else { return }
        let expected = watchers[index].expected(in: log, through: last.revision)
        if watchers[index].seen != expected {
            failures.append("\(watchers[index].spec) saw \(watchers[index].seen) of \(expected)")
        }
    }

    /// W6 and W10: whoever may be told "everything up to now" was told everything up to now.
    mutating func checkMarks() {
        for watcher in watchers where hub.mayMarkProgress(watcher.id) {
            if watcher.seen != watcher.expected(in: log, through: revision) {
                failures.append("W6: a mark at \(revision) would trail \(watcher.spec)")
            }
            if watcher.start > revision { failures.append("W10: a mark below the start") }
        }
    }
}

@Suite("Watch hub against a model (RELIABILITY §3, W1 to W13)")
struct WatchHubRandomTests {
    @Test(
        "every watcher sees exactly its events, or is told that compaction took them"
    )
    func agreesWithTheModel() {
        for seed in UInt64(1)...200 {
            var world = WatchWorld(seed: seed)
            world.run(steps: 150)
            #expect(world.failures.isEmpty, "seed \(seed): \(world.failures.first ?? "")")
            if !world.failures.isEmpty { return }
        }
    }
}
