import Primitives
import RaftCore
import Replication
import Storage
import Testing

@Suite("A start on a full disk (DESIGN §5)")
struct FullStartTests {
    private static let place = NodePlace(
        path: "/data",
        identity: NodeIdentity(
            clusterID: ClusterID(0xC1), memberID: NodeID(1), name: "n1",
            initialVoters: [NodeID(1), NodeID(2), NodeID(3)]), freshDisk: 7, nonce: 1,
        logOptions: LogOptions(segmentBytes: 16 << 10, spareSegments: 0))

    private static func open(_ disk: MemoryFileSystem) throws -> NodeStorage {
        try NodeStorage.open(place, fileSystem: disk) { _ in }
    }

    private static func used(_ disk: MemoryFileSystem) -> Int {
        ["/data", "/data/log", "/data/checkpoint"].reduce(0) { sum, folder in
            ((try? disk.list(folder)) ?? []).reduce(sum) {
                $0 + (disk.contents(of: folder + "/" + $1)?.count ?? 0)
            }
        }
    }

    private static func write(_ storage: inout NodeStorage, _ entries: ClosedRange<UInt64>) throws {
        let write = Write(
            id: WriteID(1), hardState: HardState(term: Term(3), votedFor: NodeID(2)),
            entries: entries.map {
                LogEntry(
                    index: LogIndex($0), term: Term(3), kind: .command,
                    payload: [UInt8](repeating: 1, count: 100))
            })
        try storage.writer.take([.write(write)]) { _ in }
        try storage.writer.sync()
        #expect(storage.writer.complete() != nil)
    }

    @Test("no room at all is room enough, again and again, and nothing is lost")
    func noRoom() throws {
        let disk = MemoryFileSystem(seed: 1)
        var storage = try Self.open(disk)
        try Self.write(&storage, 1...20)
        disk.crash(.drop)
        disk.setCapacity(Self.used(disk))
        for boot in 2...4 as ClosedRange<UInt64> {
            let again = try Self.open(disk)
            #expect(again.boot == BootNumber(UInt64(7) << 32 | boot))
            #expect(again.restored.hardState == HardState(term: Term(3), votedFor: NodeID(2)))
            #expect(again.restored.lastIndex == LogIndex(20))
            disk.crash(.drop)
        }
        // What the segment still has room for is written.
        var last = try Self.open(disk)
        try Self.write(&last, 21...25)
        disk.crash(.drop)
        #expect(try Self.open(disk).restored.lastIndex == LogIndex(25))
    }

    @Test("a first start finds no room, and the next one, which does, is none the worse for it")
    func firstStart() throws {
        for capacity in stride(from: 0, to: 120_000, by: 4000) {
            let disk = MemoryFileSystem(seed: 1)
            disk.setCapacity(capacity)
            do {
                _ = try Self.open(disk)
            } catch let error as StorageError {
                #expect(error.isOutOfSpace, "\(error) with \(capacity) bytes")
            }
            disk.setCapacity(.max)
            var storage = try Self.open(disk)
            try Self.write(&storage, 1...3)
        }
    }

    @Test("a start gives up what is kept for a checkpoint before it says that there is no room")
    func givesUpReserve() throws {
        let disk = MemoryFileSystem(seed: 1)
        var storage = try Self.open(disk)
        try Self.write(&storage, 1...20)
        try storage.checkpoints.refillReserve()
        disk.crash(.keep)
        // As if it had died before it had made its log: nothing does without that.
        try disk.remove("/data/log/0000000000000001.log")
        disk.setCapacity(Self.used(disk))
        #expect(disk.contents(of: "/data/reserve") != nil)
        _ = try Self.open(disk)
        #expect(disk.contents(of: "/data/reserve") == nil)
    }
}
