import Primitives
import Storage
import Testing

@Suite("Holes are filled in (DESIGN §5)")
struct LogFillingTests {
    /// Entries 1 to 40 in batches of one, with damage in 7, 8 and 21.
    private func damaged(seed: UInt64) throws -> MemoryFileSystem {
        let disk = try LogFixture.fileSystem(seed: seed)
        let log = try LogFixture.open(disk)
        for index in UInt64(1)...40 {
            try log.append([LogFixture.entry(index, term: index < 15 ? 1 : 2, count: 900)])
            try log.sync()
        }
        disk.crash(.keep)
        for index in [7, 8, 21] { try rot(disk, entry: index) }
        return disk
    }

    private func rot(_ disk: MemoryFileSystem, entry index: Int) throws {
        let payload = LogFixture.payload(UInt64(index), term: index < 15 ? 1 : 2, count: 900)
        for name in try disk.list(LogFixture.directory) where name.hasSuffix(".log") {
            let path = LogFixture.directory + "/" + name
            let bytes = disk.contents(of: path) ?? []
            let sectors = stride(from: 8192, to: bytes.count - 900, by: 8)
            let place = sectors.first { bytes[$0..<($0 + 64)].elementsEqual(payload[..<64]) }
            if let place { disk.flipBit(path, at: place + 5, bit: 2) }
        }
    }

    private var lost: [LogEntry] {
        [7, 8, 21].map { LogFixture.entry($0, term: $0 < 15 ? 1 : 2, count: 900) }
    }

    private var whole: [LogEntry] {
        (1...40).map { LogFixture.entry($0, term: $0 < 15 ? 1 : 2, count: 900) }
    }

    @Test("holes are named with the term behind them, and filled for good")
    func fills() throws {
        let disk = try damaged(seed: 1)
        var log = try LogFixture.open(disk, boot: 2)
        #expect(
            log.fillable == [
                LogHole(first: LogIndex(7), last: LogIndex(8), nextTerm: Term(1)),
                LogHole(first: LogIndex(21), last: LogIndex(21), nextTerm: Term(2)),
            ])
        #expect(try log.fill(lost) == Array(whole[6...]))
        #expect(log.rotten.isEmpty && log.lastIndex == LogIndex(40))
        disk.crash(.drop)
        log = try LogFixture.open(disk, boot: 3)
        #expect(log.rotten.isEmpty)
        #expect(try LogFixture.all(log) == whole)
    }

    @Test("entries that do not fit change nothing")
    func misfits() throws {
        let disk = try damaged(seed: 2)
        let log = try LogFixture.open(disk, boot: 2)
        let rotten = log.rotten
        let strange = LogFixture.entry(21, term: 9, count: 10)
        let misfits: [[LogEntry]] = [
            [], Array(lost[..<2]), lost + [LogFixture.entry(22)], lost.reversed(),
            lost[..<2] + [strange],
        ]
        for wrong in misfits {
            #expect(try log.fill(wrong) == nil)
            #expect(log.rotten == rotten && log.lastIndex == LogIndex(40))
        }
    }

    /// After a crash the log is as it was, or whole, or says that it does not know: never shorter
    /// without a word.
    @Test("a crash at any step of filling loses nothing silently")
    func crashes() throws {
        var outcomes: Set<String> = []
        for operations in 0..<60 {
            for kind in CrashKind.allCases {
                let disk = try damaged(seed: UInt64(operations) * 7 + 1)
                let log = try LogFixture.open(disk, boot: 2)
                disk.failPower(afterOperations: operations)
                let isDone = ((try? log.fill(lost)) ?? nil) != nil
                disk.crash(kind)
                let again = try LogFixture.open(disk, boot: 3)
                if again.rotten.isEmpty {
                    #expect(try LogFixture.all(again) == whole)
                    outcomes.insert("whole")
                } else {
                    #expect(!isDone)
                    #expect(again.rotten.first?.first == LogIndex(7))
                    outcomes.insert(again.rotten.last?.last == nil ? "unknown" : "as before")
                }
            }
        }
        #expect(outcomes == ["whole", "unknown", "as before"])
    }

    @Test("a log whose filling was cut short is healed by a snapshot")
    func resetAfterCrash() throws {
        for operations in 0..<40 {
            let disk = try damaged(seed: 5)
            let log = try LogFixture.open(disk, boot: 2)
            disk.failPower(afterOperations: operations)
            _ = try? log.fill(lost)
            disk.crash(.torn)
            var again = try LogFixture.open(disk, boot: 3)
            guard again.rotten.contains(where: { $0.last == nil }) else { continue }
            try again.reset(to: LogIndex(50), term: Term(3))
            try again.append([LogFixture.entry(51, term: 3)])
            try again.sync()
            disk.crash(.drop)
            again = try LogFixture.open(disk, boot: 4)
            #expect(again.rotten.isEmpty && again.lastIndex == LogIndex(51))
        }
    }
}
