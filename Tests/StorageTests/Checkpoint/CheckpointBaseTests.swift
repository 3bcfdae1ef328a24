import Primitives
import Storage
import Testing

@Suite("Changes go only into the checkpoint that they are changes of (DESIGN §5)")
struct CheckpointBaseTests {
    private let workload = CheckpointWorkload()

    private func open(_ disk: MemoryFileSystem) throws -> CheckpointStore {
        try CheckpointStore.open(
            disk, directory: "/c", clusterID: CheckpointFixture.cluster,
            memberID: CheckpointFixture.member,
            reserve: SpaceReserve(fileSystem: disk, directory: "/", bytesMin: 1 << 20))
    }

    private func fill(_ disk: MemoryFileSystem) {
        disk.setCapacity(disk.usedBytes)
    }

    /// Three checkpoints, of which the newest is in file a.
    private func three() throws -> (disk: MemoryFileSystem, store: CheckpointStore) {
        let disk = MemoryFileSystem(seed: 1)
        _ = workload.run(disk, "/c", count: 3)
        let store = try open(disk)
        try store.refillReserve()
        return (disk, store)
    }

    @Test(
        "a full disk, and the newest file that cannot be read as the store looks again",
        arguments: [false, true])
    func newestRots(passes: Bool) throws {
        let (disk, store) = try three()
        if passes {
            disk.makeUnreadable("/c/a.sqlite", at: 0)
        } else {
            disk.flipBit("/c/a.sqlite", at: 200, bit: 1)
        }
        fill(disk)
        // Much more than there is room for, so that it comes to the reserve.
        let base = workload.states[1]
        let added = (0..<40).map { number in
            Row(
                table: 9, key: CheckpointFixture.key(number),
                value: CheckpointFixture.bytes(9_000, seed: UInt64(number)))
        }
        let failure = #expect(throws: StorageError.self) {
            try store.write(
                CheckpointFixture.header(4), upserts: added, deletes: [], replacingAll: false)
        }
        #expect(failure?.isRottenCheckpoint == true)
        #expect(store.newest?.index == LogIndex(2))
        disk.setCapacity(.max)
        disk.makeReadable("/c/a.sqlite")
        // All of it anew, as whoever hears that does.
        let whole = base + added
        let written = try CheckpointFixture.writeAll(store, 4, whole)
        #expect(try CheckpointFixture.load(store, written) == whole)
        let again = try open(disk)
        #expect(try CheckpointFixture.load(again, try #require(again.newest)) == whole)
    }

    @Test("a manifest that finds no room: what was written is the newest, and no base of the same")
    func manifestFindsNoRoom() throws {
        let (disk, store) = try three()
        for _ in 0..<2 { disk.plan(.noSpace, path: "manifest") }
        for _ in 0..<2 { disk.plan(.noSpace, path: "manifest.tmp") }
        // Relative to the second; the third, whole, is the file that is next after a first try.
        let failure = #expect(throws: StorageError.self) { try workload.write(4, store) }
        #expect(failure?.isRottenCheckpoint == true)
        disk.forgetPlans()
        let written = try CheckpointFixture.writeAll(store, 5, workload.states[4])
        #expect(try CheckpointFixture.load(store, written) == workload.states[4])
    }

    @Test("changes that do not come to the rows that there are leave everything as it was")
    func otherRowCount() throws {
        let (disk, store) = try three()
        let failure = #expect(throws: StorageError.self) {
            try store.write(
                CheckpointFixture.header(4), upserts: [workload.states[0][0]],
                deletes: [], replacingAll: false, rowCount: 1)
        }
        #expect(failure?.isRottenCheckpoint == true)
        #expect(store.nextBase == nil)
        let again = try open(disk)
        let newest = try #require(again.newest)
        #expect(try CheckpointFixture.load(again, newest) == workload.states[2])
        try CheckpointFixture.writeAll(store, 4, workload.states[3])
    }

    @Test("a checkpoint whose rows make no state is given up for the one before it")
    func noState() throws {
        struct Refusal: Error {}
        let (_, store) = try three()
        let newest = try #require(store.newest)
        let failure = #expect(throws: StorageError.self) {
            try store.load(newest) { _ in
            } whole: {
                throw Refusal()
            }
        }
        #expect(failure?.isRottenCheckpoint == true)
        #expect(store.newest?.index == LogIndex(2))
    }

    @Test("what was found rotten stays that, also when a write fails for want of room")
    func rottenStays() throws {
        let (disk, store) = try three()
        let newest = try #require(store.newest)
        let failure = #expect(throws: StorageError.self) {
            try store.load(newest) { _ in
            } whole: {
                throw StorageError.notFound(path: "x")
            }
        }
        #expect(failure?.isRottenCheckpoint == true)
        fill(disk)
        disk.setCapacity(1)
        let added = Row(
            table: 9, key: [1], value: CheckpointFixture.bytes(4 << 20, seed: 1))
        #expect(throws: StorageError.self) {
            try store.write(
                CheckpointFixture.header(4), upserts: [added], deletes: [], replacingAll: true)
        }
        #expect(store.newest?.index == LogIndex(2))
        #expect(store.previous == nil)
        disk.setCapacity(.max)
        try CheckpointFixture.writeAll(store, 4, workload.states[3])
        #expect(store.previous?.index == LogIndex(2))
    }
}
