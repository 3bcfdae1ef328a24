import Primitives
import RaftCore
import Testing

@Suite("The log in memory, against a plain array")
struct LogWindowTests {
    /// The dumb second version: every entry, and what is forgotten or not in memory as two numbers.
    struct Plain {
        var entries: [LogEntry] = []
        var base = LogPosition(index: .zero, term: .zero)
        var firstInMemory = LogIndex(1)

        var last: LogIndex { base.index + entries.count }

        func term(at index: LogIndex) -> Term? {
            if index == base.index { return base.term }
            if index < base.index || index > last { return nil }
            return entries[index.distance(from: base.index) - 1].term
        }

        func lastPosition(at index: LogIndex, termAtMost term: Term) -> LogIndex {
            var candidate = min(index, last)
            while candidate >= base.index, let held = self.term(at: candidate), held > term {
                if candidate == .zero { return .zero }
                candidate = candidate.previous
            }
            return candidate
        }
    }

    @Test("appending, truncating, compacting, trimming and looking agree with it")
    func againstPlain() {
        for seed in 1...60 as ClosedRange<UInt64> {
            var random = SplitMix64(seed: seed)
            var window = LogWindow(RestoredLog.fresh(ClusterConfiguration(voters: [])))
            var plain = Plain()
            var term: UInt64 = 1
            for _ in 0..<120 {
                change(&window, &plain, &term, &random)
                window.checkInvariants()
                compare(window, plain, &random)
            }
        }
    }

    func change(
        _ window: inout LogWindow, _ plain: inout Plain, _ term: inout UInt64,
        _ random: inout SplitMix64
    ) {
        let span = UInt64(plain.entries.count) + 1
        switch random.next(below: 8) {
        case 0..<4:
            var fresh: [LogEntry] = []
            for _ in 0..<random.next(below: 5) {
                if random.next(below: 3) == 0 { term += 1 + random.next(below: 2) }
                fresh.append(
                    command(plain.last.rawValue + UInt64(fresh.count) + 1, term: term))
            }
            window.append(fresh)
            plain.entries += fresh
        case 4:
            if plain.entries.isEmpty { return }
            let from = plain.base.index + Int(1 + random.next(below: span - 1))
            window.truncate(from: from)
            plain.entries.removeLast(plain.last.distance(from: from) + 1)
            plain.firstInMemory = min(plain.firstInMemory, from)
        case 5:
            let through = plain.base.index + Int(random.next(below: span))
            window.compact(through: through)
            let held = plain.term(at: through)!
            plain.entries.removeFirst(through.distance(from: plain.base.index))
            plain.base = LogPosition(index: through, term: held)
            plain.firstInMemory = max(plain.firstInMemory, through.next)
        case 6:
            let through = plain.base.index + Int(random.next(below: span))
            window.trim(toBytes: 0, through: through)
            plain.firstInMemory = max(plain.firstInMemory, through.next)
        default:
            if random.next(below: 4) > 0 { return }
            term += 1
            let position = LogPosition(
                index: plain.last + Int(random.next(below: 3)), term: Term(term))
            window.reset(to: position)
            plain = Plain(entries: [], base: position, firstInMemory: position.index.next)
        }
    }

    func compare(_ window: LogWindow, _ plain: Plain, _ random: inout SplitMix64) {
        #expect(window.lastIndex == plain.last)
        #expect(window.lastTerm == plain.term(at: plain.last))
        #expect(window.firstRecentIndex == plain.firstInMemory)
        let start = plain.base.index.rawValue
        for raw in (start > 2 ? start - 2 : 0)...(plain.last.rawValue + 2) {
            #expect(window.term(at: LogIndex(raw)) == plain.term(at: LogIndex(raw)))
        }
        let at = LogIndex(start + random.next(below: UInt64(plain.entries.count) + 3))
        let most = Term(random.next(below: 40))
        #expect(
            window.lastPosition(at: at, termAtMost: most).index
                == plain.lastPosition(at: at, termAtMost: most))
        let bytesMax = Int(random.next(below: 200))
        let batch = window.batch(from: at, through: plain.last, bytesMax: bytesMax)
        if at < plain.firstInMemory || at > plain.last {
            #expect(batch == nil)
        } else {
            let skipped = at.distance(from: plain.base.index) - 1
            let count = max(1, min(plain.last.distance(from: at) + 1, bytesMax / 33))
            #expect(batch == Array(plain.entries[skipped..<(skipped + count)]))
        }
    }
}
