import Primitives
import Storage
import Testing

@Suite("The log under random damage (DESIGN §5)")
struct LogFuzzTests {
    private static func makeLog(seed: UInt64) throws -> (MemoryFileSystem, [LogEntry]) {
        var random = SplitMix64(seed: seed)
        let fileSystem = try LogFixture.fileSystem(seed: seed)
        let log = try LogFixture.open(
            fileSystem, options: LogFixture.options(compressionMinBytes: 512))
        var next: UInt64 = 1
        while next < 60 {
            let count = random.next(below: 6) + 1
            let size = Int(random.next(below: 1500))
            var entries = LogFixture.entries(
                next...(next + count - 1), term: next / 20, count: size)
            if random.next(below: 3) == 0 {
                for position in entries.indices {
                    entries[position].payload = Array(repeating: UInt8(next), count: size)
                }
            }
            try log.append(entries)
            if random.next(below: 3) > 0 { try log.sync() }
            next += count
        }
        try log.sync()
        return (fileSystem, try LogFixture.all(log))
    }

    /// Opens whatever is there; what it hands out must be what was written.
    private static func check(
        _ fileSystem: MemoryFileSystem, _ written: [LogEntry], _ place: Comment
    ) throws {
        let log: SegmentedLog
        do { log = try LogFixture.open(fileSystem, boot: 2) } catch {
            // Damage may look like another member's file or a newer one; it is refused by name.
            #expect(error.exitStatus == 65, place)
            return
        }
        var index = log.firstIndex
        while index <= log.lastIndex {
            let found = try? log.read(from: index, through: log.lastIndex, bytesMax: .max)
            for entry in found ?? [] {
                let position = Int(entry.index.rawValue) - 1
                #expect(position < written.count && entry == written[position], place)
            }
            index = index + max(1, found?.count ?? 1)
        }
        let lost = log.lastIndex.rawValue < UInt64(written.count) || !log.rotten.isEmpty
        if !lost { #expect(try LogFixture.all(log) == written, place) }
    }

    @Test(
        "A35 flipped bits, exchanged sectors and cut files never trap and never pass for data",
        arguments: 1...150 as ClosedRange<UInt64>)
    func mutations(seed: UInt64) throws {
        let (fileSystem, written) = try Self.makeLog(seed: seed / 5)
        var random = SplitMix64(seed: seed)
        let names = try fileSystem.list(LogFixture.directory).filter { $0.hasSuffix(".log") }
        for _ in 0...random.next(below: 4) {
            let name = names[Int(random.next(below: UInt64(names.count)))]
            let path = LogFixture.directory + "/" + name
            let bytes = try #require(fileSystem.contents(of: path))
            let place = Int(random.next(below: UInt64(bytes.count)))
            let sector = place / 512 * 512
            switch random.next(below: 6) {
            case 0: fileSystem.flipBit(path, at: place, bit: Int(random.next(below: 8)))
            case 1:
                fileSystem.corrupt(
                    path, at: sector,
                    with: (0..<512).map { _ in
                        UInt8(truncatingIfNeeded: random.next())
                    })
            case 2: fileSystem.corrupt(path, at: sector, with: [UInt8](repeating: 0, count: 512))
            case 3:
                let other = Int(random.next(below: UInt64(bytes.count / 512))) * 512
                fileSystem.corrupt(path, at: sector, with: Array(bytes[other..<(other + 512)]))
            case 4: try fileSystem.open(path, .readWrite).truncate(to: place)
            default:
                let value = random.next()
                withUnsafeBytes(of: value) {
                    fileSystem.corrupt(path, at: min(place, bytes.count - 8), with: Array($0))
                }
            }
        }
        try Self.check(fileSystem, written, "seed \(seed)")
    }

    @Test(
        "A35 a segment of random bytes is rot, not a trap", arguments: 1...30 as ClosedRange<UInt64>
    )
    func randomBytes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let (fileSystem, written) = try Self.makeLog(seed: 1)
        let header = try #require(fileSystem.contents(of: LogFixture.segmentPath(1)))
        let count = Int(random.next(below: 20_000))
        var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        if random.next(below: 2) == 0, count > 8192 {
            bytes.replaceSubrange(0..<8192, with: header[0..<8192])
        }
        let path = LogFixture.segmentPath(1)
        try fileSystem.open(path, .readWrite).truncate(to: 0)
        fileSystem.corrupt(path, at: 0, with: bytes)
        try Self.check(fileSystem, written, "seed \(seed)")
    }
}
