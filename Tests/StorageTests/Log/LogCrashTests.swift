import Primitives
import Storage
import Testing

@Suite("The log at every crash point (DESIGN §5)")
struct LogCrashTests {
    /// Appends, syncs, truncations, rolls, releases, a reset and restarts: each kind of write at
    /// least once.
    private static func work(_ log: inout ModelledLog) throws {
        try log.open()
        try log.append(1...3, term: 1)
        try log.sync()
        try log.append(4...6, term: 1)
        try log.append(7...12, term: 2, count: 700)
        try log.sync()
        try log.append(10...11, term: 3, truncating: true)
        try log.prepareSpare()
        try log.append(12...40, term: 3, count: 900)
        try log.sync()
        try log.truncate(from: 38)
        try log.append(38...39, term: 5)
        try log.sync()
        try log.open()
        try log.append(40...44, term: 5, count: 1500)
        try log.release(through: 30)
        try log.sync()
        try log.append(45...60, term: 5, count: 1000)
        try log.append(61...61, term: 6, count: 3)
        try log.prepareSpare()
        try log.sync()
        try log.append(50...52, term: 7, truncating: true)
        try log.sync()
        try log.reset(to: 100, term: 8)
        try log.append(101...104, term: 8)
        try log.sync()
        try log.open()
        try log.append(105...107, term: 8)
    }

    @Test("without a crash the work ends as the model says")
    func noCrash() throws {
        var log = ModelledLog(fileSystem: try LogFixture.fileSystem())
        try Self.work(&log)
        let found = try LogFixture.all(try #require(log.log))
        #expect(found == log.model.state.entries)
        #expect(log.log?.baseIndex == LogIndex(100))
    }

    @Test(
        "a crash at any write or sync leaves all that was synced and a prefix of the rest",
        arguments: CrashKind.allCases)
    func everyCrashPoint(kind: CrashKind) throws {
        var whole = ModelledLog(fileSystem: try LogFixture.fileSystem())
        let start = whole.fileSystem.operationCount
        try Self.work(&whole)
        let count = whole.fileSystem.operationCount - start
        #expect(count > 80)
        let seeds: ClosedRange<UInt64> = kind == .torn || kind == .reorder ? 1...6 : 1...1
        for point in 0...count {
            for seed in seeds {
                let fileSystem = try LogFixture.fileSystem(seed: seed << 16 | UInt64(point))
                fileSystem.failPower(afterOperations: point)
                var log = ModelledLog(fileSystem: fileSystem)
                do {
                    try Self.work(&log)
                    #expect(point == count, "the power was to fail at \(point) of \(count)")
                } catch is StorageError {}
                fileSystem.crash(kind)
                let place = "\(kind) at operation \(point), seed \(seed)"
                try log.open(place)
                // The log that recovery left must take and keep what comes next.
                let next = log.model.state.lastIndex.next.rawValue
                try log.append(next...(next + 2), term: 20)
                try log.sync()
                fileSystem.crash(.drop)
                try log.open(place)
                #expect(log.log?.lastIndex == LogIndex(next + 2), "\(place)")
            }
        }
    }

    @Test(
        "a crash during the recovery from a crash loses nothing either",
        arguments: 1...40 as ClosedRange<UInt64>)
    func crashDuringRecovery(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let fileSystem = try LogFixture.fileSystem(seed: seed)
        var log = ModelledLog(fileSystem: fileSystem)
        fileSystem.failPower(afterOperations: 20 + Int(random.next(below: 70)))
        do { try Self.work(&log) } catch is StorageError {}
        for _ in 0..<4 {
            let kinds = CrashKind.allCases
            fileSystem.crash(kinds[Int(random.next(below: UInt64(kinds.count)))])
            fileSystem.failPower(afterOperations: Int(random.next(below: 9)))
            do { try log.open("seed \(seed)") } catch is StorageError {}
        }
        fileSystem.crash(.reorder)
        try log.open("seed \(seed)")
    }
}
