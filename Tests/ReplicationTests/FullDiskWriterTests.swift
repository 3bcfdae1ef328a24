import Primitives
import RaftCore
import Replication
import Storage
import Testing

@Suite("The log's writer on a full disk (DESIGN §5)")
struct FullDiskWriterTests {
    @Test("what finds no room is not acknowledged, waits in its order, and is done when there is")
    func waitsForRoom() throws {
        var bench = try WriterBench()
        bench.round([.write(bench.write(entries: 3))])
        #expect(bench.persisted == [1])
        bench.fill()
        // More than a segment holds, then what needs no room by itself.
        bench.round([.write(bench.write(entries: 200))])
        bench.round([.write(bench.write(term: 7, entries: 1)), .write(bench.write(entries: 2))])
        #expect(bench.persisted == [1])
        #expect(bench.isShort && bench.shortageReports == 1)
        bench.round([.retry])
        #expect(bench.persisted == [1] && bench.shortageReports == 1)
        bench.empty()
        #expect(bench.persisted == [1])
        bench.round([.retry])
        #expect(bench.persisted == [1, 2, 3, 4])
        #expect(!bench.isShort && bench.roomReports == 1)
        try bench.expectDurable(entries: 206, term: 7)
    }

    @Test("while it waits, entries are read, peers are remembered and old segments go")
    func worksMeanwhile() throws {
        var bench = try WriterBench()
        bench.round([.write(bench.write(entries: 300))])
        bench.fill()
        bench.round([.write(bench.write(entries: 200))])
        #expect(bench.isShort)
        let first = LogIndex(1)
        bench.round([.load(first: first, last: LogIndex(9), bytesMax: .max, .replication)])
        #expect(bench.loaded == [9])
        let ticket = bench.remember(member: 5)
        bench.round([ticket])
        #expect(bench.rememberedCount == 1)
        // A segment that goes is a segment to write to.
        bench.round([.release(through: LogIndex(290))])
        #expect(bench.persisted == [1, 2] && !bench.isShort)
    }

    @Test("what is read, remembered and released in the round that finds no room is not held up")
    func sameRound() throws {
        var bench = try WriterBench()
        bench.round([.write(bench.write(entries: 300))])
        bench.fill()
        let ticket = bench.remember(member: 5)
        let load = LogJob.load(
            first: LogIndex(1), last: LogIndex(4), bytesMax: .max, .replication)
        // The hard state makes it append what it has gathered.
        bench.round([
            .write(bench.write(entries: 200)), .write(bench.write(term: 3, entries: 0)), load,
            ticket,
        ])
        #expect(bench.isShort && bench.loaded == [4] && bench.rememberedCount == 1)
        #expect(bench.persisted == [1])
        bench.empty()
        bench.round([.retry])
        #expect(bench.persisted == [1, 2, 3])
        try bench.expectDurable(entries: 500, term: 3)
    }

    @Test("what is remembered of peers reaches its file in order, with room or without")
    func remembersInOrder() throws {
        var bench = try WriterBench()
        bench.fill()
        bench.round([.write(bench.write(entries: 200))])
        bench.disk.plan(.noSpace, path: "peers")
        let first = bench.remember(member: 5)
        bench.round([first])
        let second = bench.remember(member: 5)
        bench.round([second])
        #expect(bench.rememberedCount == 0)
        bench.empty()
        bench.round([.retry])
        #expect(bench.rememberedCount == 2)
        try bench.expectWhatWasReported(afterCrash: .drop)
    }

    @Test("a sync that needs room is tried again; one that fails is final")
    func syncs() throws {
        var bench = try WriterBench()
        bench.disk.plan(.noSpace, path: ".log")
        bench.disk.plan(.noSpace, path: ".log")
        bench.round([.write(bench.write(entries: 3))])
        #expect(bench.isShort && bench.persisted == [])
        bench.round([.retry])
        #expect(bench.isShort && bench.persisted == [])
        bench.round([.retry])
        #expect(!bench.isShort && bench.persisted == [1])
        bench.disk.plan(.syncError, path: ".log")
        bench.round([.write(bench.write(entries: 3))])
        #expect(bench.failure?.isFatal == true && bench.persisted == [1])
        bench.round([.write(bench.write(entries: 3)), .retry])
        #expect(bench.persisted == [1] && !bench.isShort)
    }

    @Test("a write that fails with EIO is final, on a full disk too")
    func inputOutputError() throws {
        var bench = try WriterBench()
        bench.fill()
        bench.round([.write(bench.write(entries: 300))])
        #expect(bench.isShort)
        bench.empty()
        bench.disk.plan(.writeError, path: ".log")
        bench.round([.retry])
        #expect(bench.failure?.isFatal == true && bench.persisted == [])
    }

    @Test(
        "whatever fills and empties the disk, what was reported durable is, in the order asked",
        arguments: 1...40 as ClosedRange<UInt64>)
    func anyOrder(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var bench = try WriterBench(seed: seed)
        for _ in 0..<60 {
            switch random.next(below: 8) {
            case 0: bench.fill()
            case 1: bench.empty()
            case 2: bench.disk.plan(.noSpace, path: ["hardstate", ".log", ".tmp"][Int(seed % 3)])
            default: break
            }
            var jobs: [LogJob] = []
            for _ in 0..<random.next(below: 4) {
                switch random.next(below: 8) {
                case 0: jobs.append(.write(bench.write(term: bench.term + 1, entries: 0)))
                case 1: jobs.append(.write(bench.truncation(&random)))
                case 2: jobs.append(.retry)
                case 3: jobs.append(bench.remember(member: random.next(below: 9) + 1))
                default: jobs.append(.write(bench.write(entries: Int(random.next(below: 60)))))
                }
            }
            bench.round(jobs)
            #expect(bench.failure == nil)
        }
        try bench.expectWhatWasReported(afterCrash: seed % 2 == 0 ? .drop : .reorder)
    }
}
