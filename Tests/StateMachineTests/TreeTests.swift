import Primitives
import StateMachine
import Testing

@Suite("The persistent tree (DESIGN §6)")
struct TreeTests {
    func record(_ key: [UInt8], _ revision: Int64, dead: Bool = false) -> Record {
        key.withUnsafeBytes {
            Record.make(
                key: $0, value: .empty, createRevision: 1, modRevision: revision, sub: 0,
                version: 1, lease: 0, isTombstone: dead)
        }
    }

    func contents(_ tree: PersistentTree) -> [String] {
        var found: [String] = []
        tree.forEach(from: .empty, to: nil) { newest, history in
            found.append("\(newest.key) \(newest.modRevision) \(history?.count ?? 0)")
            return true
        }
        return found
    }

    /// Keys that share long prefixes, are prefixes of each other, or hold zeros.
    func key(_ random: inout SplitMix64) -> [UInt8] {
        let number = random.next(below: 900)
        switch random.next(below: 4) {
        case 0: return bytes("/registry/pods/namespace/pod-\(number)")
        case 1: return bytes("/registry/") + [UInt8](repeating: 0, count: Int(number % 20))
        case 2: return [UInt8](repeating: UInt8(number % 3), count: 1 + Int(number % 40))
        default: return bytes("\(number)")
        }
    }

    @Test(
        "puts and removals leave a sound tree that holds what a sorted list holds",
        arguments: 0..<12)
    func random(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var tree = PersistentTree()
        var model: [Bytes: (revision: Int64, dead: Bool, versions: Int)] = [:]
        let removals = 1 + random.next(below: 6)
        for step in 0..<4000 {
            let key = key(&random)
            // Growing and shrinking phases, so that nodes split and join.
            let shrinks = (step / 1000) % 2 == 1
            let removes = random.next(below: 10) < (shrinks ? removals + 3 : removals)
            if removes {
                let was = key.withUnsafeBytes { tree.remove($0) }
                #expect(was?.modRevision == model.removeValue(forKey: Bytes(key))?.revision)
            } else {
                let dead = random.next(below: 5) == 0
                let new = record(key, Int64(step), dead: dead)
                let old = key.withUnsafeBytes { tree.put($0) { _ in new } }
                let entry = model[Bytes(key)]
                #expect(old?.modRevision == entry?.revision)
                model[Bytes(key)] = (Int64(step), dead, (entry?.versions ?? -1) + 1)
            }
            if step % 500 == 499 { tree.checkInvariants() }
        }
        let wanted = model.keys.sorted().map { key -> String in
            let entry = model[key]
            return "\(key) \(entry?.revision ?? -1) \(entry?.versions ?? -1)"
        }
        #expect(contents(tree) == wanted)
        #expect(tree.count == model.count)
        #expect(tree.liveCount == model.values.filter { !$0.dead }.count)
        for _ in 0..<300 {
            let (start, end) = (key(&random), key(&random))
            let counted = start.withUnsafeBytes { start in
                end.withUnsafeBytes { tree.countLive(from: start, to: $0) }
            }
            let wanted = model.filter {
                !$0.value.dead && $0.key >= Bytes(start) && $0.key < Bytes(end)
            }
            #expect(counted == wanted.count)
            let found = start.withUnsafeBytes { tree.newest($0)?.modRevision }
            #expect(found == model[Bytes(start)]?.revision)
        }
    }

    @Test("a copy does not see what happens to the original", arguments: 0..<6)
    func copies(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var tree = PersistentTree()
        var copies: [(tree: PersistentTree, contents: [String])] = []
        for step in 0..<3000 {
            let key = key(&random)
            key.withUnsafeBytes { (raw) -> Void in
                if random.next(below: 3) == 0 {
                    tree.remove(raw)
                } else {
                    tree.put(raw) { _ in record(key, Int64(step)) }
                }
            }
            if step % 300 == 0 { copies.append((tree, contents(tree))) }
        }
        for copy in copies {
            copy.tree.checkInvariants()
            #expect(contents(copy.tree) == copy.contents)
        }
    }

    @Test(
        "a tree built from sorted keys is sound and can be changed",
        arguments: [0, 1, 2, 47, 48, 49, 64, 97, 2304, 2305, 2353, 9000])
    func sorted(count: Int) {
        var keys: [Bytes] = (0..<count).map { Bytes("key/\($0 * 7)") }
        keys.sort()
        var tree = PersistentTree(
            sorted: ContiguousArray(keys.map { (record($0.storage, 5), nil) }))
        tree.checkInvariants()
        #expect(tree.count == count)
        for number in stride(from: 0, to: count, by: 3) {
            let key = Array("key/\(number * 7)".utf8)
            key.withUnsafeBytes { _ = tree.remove($0) }
            let other = Array("key/\(number * 7 + 1)".utf8)
            other.withUnsafeBytes { _ = tree.put($0) { _ in record(other, 6) } }
        }
        tree.checkInvariants()
        for key in keys { key.storage.withUnsafeBytes { _ = tree.remove($0) } }
        tree.checkInvariants()
    }

    @Test("removing every key in any order leaves an empty tree", arguments: [0, 1, 2])
    func emptying(order: Int) {
        var keys = (0..<5000).map { bytes("k\(10000 + $0)") }
        var tree = PersistentTree()
        for key in keys { key.withUnsafeBytes { _ = tree.put($0) { _ in record(key, 1) } } }
        tree.checkInvariants()
        if order == 1 { keys.reverse() }
        if order == 2 {
            var random = SplitMix64(seed: 3)
            for last in stride(from: keys.count - 1, to: 0, by: -1) {
                keys.swapAt(last, Int(random.next(below: UInt64(last + 1))))
            }
        }
        for (position, key) in keys.enumerated() {
            key.withUnsafeBytes { _ = tree.remove($0) }
            if position % 997 == 0 { tree.checkInvariants() }
        }
        #expect(tree.count == 0 && tree.liveCount == 0)
    }

    @Test("a history finds the newest version at or below a revision, in every block")
    func history() throws {
        let history = History(record([1], 10))
        for revision in 2...2000 { history.append(record([1], Int64(revision) * 10)) }
        #expect(history.count == 2000)
        for revision in [Int64(9), 10, 11, 19, 2559, 2560, 2561, 2570, 19_999, 20_000, 99_999] {
            let wanted = revision < 10 ? nil : min(revision / 10, 2000) * 10
            #expect(history.newest(atMost: revision)?.modRevision == wanted)
        }
        for dropped in [0, 1, 255, 256, 257, 1791, 1792, 1793, 1999] {
            let rest = try #require(history.dropping(first: dropped))
            #expect(rest.count == 2000 - dropped)
            for index in stride(from: 0, to: rest.count, by: 61) {
                #expect(rest[index].modRevision == Int64(index + dropped + 1) * 10)
            }
            rest.append(record([1], 99_999))
            #expect(rest[rest.count - 1].modRevision == 99_999)
            #expect(rest.newest(atMost: 20_000)?.modRevision == 20_000)
        }
        #expect(history.dropping(first: 2000) == nil)
    }

    @Test("records sort by key and then by their order, whatever the keys share", arguments: 0..<8)
    func sort(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let records = ContiguousArray((0..<3000).map { record(key(&random), Int64($0)) })
        let wanted = records.indices.sorted {
            let order = Bytes.compare(records[$0].keyView, records[$1].keyView)
            return order != 0 ? order < 0 : $0 < $1
        }
        #expect(RecordSort.byKey(records) == wanted)
    }
}
