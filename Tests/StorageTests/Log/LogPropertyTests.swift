import Primitives
import Storage
import Testing

@Suite("The log against a dumb model (DESIGN §5)")
struct LogPropertyTests {
    @Test(
        "any work with any crashes leaves what the model allows",
        arguments: 1...120 as ClosedRange<UInt64>)
    func randomWork(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let options = LogFixture.options(
            segmentBytes: 16_384 + 4096 * Int(random.next(below: 6)),
            compressionMinBytes: random.next(below: 2) == 0 ? .max : 256)
        var log = ModelledLog(fileSystem: try LogFixture.fileSystem(seed: seed), options: options)
        try log.open()
        var term: UInt64 = 1
        for step in 0..<60 {
            let place = "seed \(seed), step \(step)"
            if random.next(below: 12) == 0 { term += 1 }
            try Self.step(&log, &random, term: &term, place)
            let found = try LogFixture.all(try #require(log.log))
            let base = try #require(log.log).baseIndex
            #expect(found == log.model.state.entries.filter { $0.index > base }, "\(place)")
        }
    }

    private static func step(
        _ log: inout ModelledLog, _ random: inout SplitMix64, term: inout UInt64, _ place: String
    ) throws {
        let last = log.model.state.lastIndex.rawValue
        let first = max(log.log?.firstIndex.rawValue ?? 1, log.model.released.rawValue + 1)
        switch random.next(below: 16) {
        case 0..<6:
            let count = random.next(below: 12) + 1
            let size = Int(random.next(below: 4) == 0 ? random.next(below: 6000) : 90)
            try log.append((last + 1)...(last + count), term: term, count: size)
        case 6..<9: try log.sync()
        case 9 where last >= first:
            term += 1
            let from = first + random.next(below: last - first + 1)
            try log.append(from...(from + random.next(below: 4)), term: term, truncating: true)
        case 10 where last >= first:
            try log.truncate(from: first + random.next(below: last - first + 1))
        case 11 where last >= first:
            try log.sync()
            try log.release(through: first + random.next(below: last - first + 1))
        case 12: try log.prepareSpare()
        case 13 where random.next(below: 8) == 0:
            term += 1
            try log.reset(to: last + random.next(below: 50) + 1, term: term)
        case 14:
            try log.open(place)
        default:
            let kinds = CrashKind.allCases
            log.fileSystem.crash(kinds[Int(random.next(below: UInt64(kinds.count)))])
            try log.open(place)
        }
    }

    @Test("two runs of one seed end with the same bytes on disk")
    func deterministic() throws {
        var ends: [[UInt8]?] = []
        for _ in 0..<2 {
            var random = SplitMix64(seed: 9)
            var log = ModelledLog(fileSystem: try LogFixture.fileSystem(seed: 9))
            try log.open()
            var term: UInt64 = 1
            for _ in 0..<40 { try Self.step(&log, &random, term: &term, "determinism") }
            let names = try log.fileSystem.list(LogFixture.directory)
            ends.append(Array(names.joined().utf8))
            for name in names {
                ends.append(log.fileSystem.contents(of: LogFixture.directory + "/" + name))
            }
        }
        #expect(ends.prefix(ends.count / 2) == ends.suffix(ends.count / 2))
    }
}
