import Primitives
import StateMachine
import Testing

@Suite("The store against a list of versions (random)")
struct ModelTests {
    /// One run: its size, its keys and its mix of operations come from the seed.
    final class Run {
        var random: SplitMix64
        let driver = StoreDriver()
        var model = StoreModel()
        let keys: [[UInt8]]
        let purgeBudget: Int

        init(seed: UInt64) {
            var random = SplitMix64(seed: seed)
            let count = 1 + Int(random.next(below: [4, 30, 400][Int(seed % 3)]))
            let prefix = [[], bytes("/registry/pods/"), [0xFF, 0]][Int(random.next(below: 3))]
            var keys: [[UInt8]] = []
            for number in 0..<count {
                switch random.next(below: 3) {
                case 0: keys.append(prefix + bytes("\(number)"))
                case 1: keys.append(prefix + [UInt8](repeating: 0, count: 1 + number % 12))
                default: keys.append(bytes("k\(number)"))
                }
            }
            self.keys = keys
            purgeBudget = 1 + Int(random.next(below: 40))
            self.random = random
        }

        func below(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }
        func anyKey() -> [UInt8] { keys[below(keys.count)] }
        func anyRange() -> (key: [UInt8], end: [UInt8]) {
            switch below(4) {
            case 0: (anyKey(), [0])
            case 1: (anyKey(), anyKey())
            default: (anyKey(), [])
            }
        }

        func anyPut() -> PutRequest {
            var put = PutRequest()
            put.key = anyKey()
            put.ignoreValue = below(10) == 0
            put.ignoreLease = below(10) == 0
            if !put.ignoreValue { put.value = bytes("\(below(1000))") }
            if !put.ignoreLease, below(3) == 0 { put.lease = Int64(1 + below(5)) }
            return put
        }

        func anyDelete() -> DeleteRangeRequest {
            var delete = DeleteRangeRequest()
            (delete.key, delete.rangeEnd) = anyRange()
            return delete
        }

        func anyTxn() -> TxnRequest {
            func ops() -> [RequestOp] {
                (0..<below(5)).map { _ in
                    below(3) == 0 ? .deleteRange(anyDelete()) : .put(anyPut())
                }
            }
            let compares = (0..<below(3)).map { _ in
                var compare = Compare()
                compare.key = anyKey()
                compare.target = Compare.Target.create.rawValue
                compare.operand = .createRevision(model.get(compare.key)?.create ?? 0)
                if below(6) == 0 { compare.operand = .createRevision(1) }
                return compare
            }
            return TxnRequest(compares, then: ops(), else: ops())
        }

        func step() {
            let before = model.versions.count
            let applied: Applied
            let expected: StoreError?
            switch below(20) {
            case 0...8:
                let put = anyPut()
                expected = model.refuses(put)
                if expected == nil {
                    model.put(put, at: model.revision + 1)
                    model.revision += 1
                }
                applied = driver.put(put)
            case 9...11:
                let delete = anyDelete()
                expected = model.txn(TxnRequest(then: [.deleteRange(delete)])).error
                applied = driver.apply(.deleteRange, delete.encoded)
            case 12...15:
                let txn = anyTxn()
                expected = model.txn(txn).error
                applied = driver.txn(txn)
            case 16, 17:
                let lease = Int64(1 + below(5))
                expected = model.leases.contains(lease) ? .leaseExists : nil
                if expected == nil { model.leases.append(lease) }
                applied = driver.grant(lease)
            case 18:
                let lease = Int64(1 + below(5))
                expected = model.revoke(lease) ? nil : .leaseNotFound
                applied = driver.revoke(lease)
            default:
                let target = model.revision - Int64(below(40)) + 5
                expected = model.compact(target)
                applied = driver.compact(target)
            }
            #expect(applied.error == expected)
            #expect(
                applied.events.map { StoreModel.Version($0) } == Array(model.versions[before...]))
            #expect(applied.revision.rawValue == model.revision)
            #expect(driver.store.revision.rawValue == model.revision)
            if below(3) == 0 { _ = driver.store.purge(budget: purgeBudget) }
        }

        /// Compares what readers see, at random revisions and in random ranges.
        func compare(_ store: Store) throws {
            for _ in 0..<4 {
                let floor = max(1, model.floor)
                let revision =
                    below(2) == 0
                    ? 0 : floor + Int64(below(Int(model.revision - floor) + 1))
                var request = RangeRequest()
                (request.key, request.rangeEnd) = anyRange()
                request.revision = revision
                let wanted = model.live(
                    in: request.range, at: revision == 0 ? .max : revision)
                let found = try store.range(request)
                #expect(found.records.map { StoreModel.Version($0) } == wanted)
                #expect(found.count == wanted.count)
                request.limit = Int64(1 + below(5))
                let cut = try store.range(request)
                #expect(cut.count == wanted.count)
                #expect(
                    cut.records.map { StoreModel.Version($0) }
                        == Array(wanted.prefix(Int(request.limit))))
                request.countOnly = true
                #expect(try store.range(request).count == wanted.count)
            }
            let from = max(2, model.floor)
            let wanted = model.versions.filter { $0.mod >= from }
            let events = store.events(from: Revision(from), max: .max)
            #expect(events.map { StoreModel.Version($0) } == wanted)
            for lease in model.leases {
                let attached = model.live(at: .max).filter { $0.lease == lease }
                #expect(store.leases.keys(of: lease).map(\.storage) == attached.map(\.key))
            }
        }
    }

    @Test(
        "writes, transactions, leases, compactions and purges give what the list gives",
        arguments: 0..<40)
    func agrees(seed: UInt64) throws {
        let run = Run(seed: seed)
        for step in 0..<400 {
            run.step()
            if step % 25 == 0 { try run.compare(run.driver.store) }
        }
        run.driver.store.checkInvariants()
        try run.compare(run.driver.store)
        let loaded = try run.driver.reloaded()
        loaded.checkInvariants()
        try run.compare(loaded)
        #expect(loaded.digest == run.driver.store.digest)
        #expect(loaded.fullHash() == run.driver.store.fullHash())
        run.driver.purgeAll(budget: run.purgeBudget)
        run.driver.store.checkInvariants()
        #expect(loaded.recordCount == run.driver.store.recordCount)
        #expect(loaded.bytesInUse == run.driver.store.bytesInUse)
    }

    @Test(
        "nodes that purge and checkpoint at different times agree on digest and hash",
        arguments: 0..<10)
    func replicas(seed: UInt64) throws {
        let run = Run(seed: seed)
        for _ in 0..<300 { run.step() }
        var other = Store()
        for (position, entry) in run.driver.log.enumerated() {
            _ = other.apply(entry, evaluate: false)
            if position % 37 == 36 {
                var loader = StoreLoader()
                for row in other.freeze().rows() { try loader.add(row) }
                other = try loader.finish()
            }
        }
        #expect(other.digest == run.driver.store.digest)
        #expect(other.fullHash() == run.driver.store.fullHash())
        #expect(other.appliedIndex == run.driver.store.appliedIndex)
        try run.compare(other)
    }

    @Test(
        "a snapshot keeps its state whatever is written, compacted and purged later",
        arguments: 0..<10)
    func snapshots(seed: UInt64) throws {
        let run = Run(seed: seed)
        var taken:
            [(scan: RangeScan, frozen: FrozenStore, wanted: [StoreModel.Version], hash: UInt64)] =
                []
        for step in 0..<400 {
            run.step()
            guard step % 40 == 0 else { continue }
            let scan = try run.driver.store.makeScan(.everything)
            let frozen = run.driver.store.freeze()
            taken.append((scan, frozen, run.model.live(at: .max), frozen.fullHash()))
        }
        for var snapshot in taken {
            var found: [Record] = []
            while !snapshot.scan.isDone { found += snapshot.scan.next(recordsMax: 3) }
            #expect(found.map { StoreModel.Version($0) } == snapshot.wanted)
            #expect(snapshot.frozen.fullHash() == snapshot.hash)
            var loader = StoreLoader()
            for row in snapshot.frozen.rows() { try loader.add(row) }
            #expect(try loader.finish().fullHash() == snapshot.hash)
        }
    }
}
