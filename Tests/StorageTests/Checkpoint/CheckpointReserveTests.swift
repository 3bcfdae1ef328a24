import Primitives
import Storage
import Testing

@Suite("The room that is kept for a checkpoint (DESIGN §5)")
struct CheckpointReserveTests {
    private let workload = CheckpointWorkload()

    private func open(_ disk: MemoryFileSystem) throws -> CheckpointStore {
        try CheckpointStore.open(
            disk, directory: "/c", clusterID: CheckpointFixture.cluster,
            memberID: CheckpointFixture.member,
            reserve: SpaceReserve(fileSystem: disk, directory: "/"))
    }

    private func used(_ disk: MemoryFileSystem) throws -> Int {
        let files = try disk.list("/c").map { "/c/" + $0 } + ["/reserve"]
        return files.reduce(0) { $0 + (disk.contents(of: $1)?.count ?? 0) }
    }

    @Test("a checkpoint on a full disk takes it, once; it is kept again when there is room")
    func takesReserve() throws {
        let disk = MemoryFileSystem(seed: 1)
        _ = workload.run(disk, "/c", count: 2)
        let store = try open(disk)
        try store.refillReserve()
        #expect(disk.contents(of: "/reserve")?.count == SpaceReserve.bytesMin)
        disk.setCapacity(try used(disk))
        // All of it anew: room for a whole file beside the old ones is what this takes.
        let third = try store.write(
            CheckpointFixture.header(3), upserts: workload.states[2], deletes: [],
            replacingAll: true)
        #expect(store.newest == third)
        #expect(try CheckpointFixture.load(store, third) == workload.states[2])
        #expect(disk.contents(of: "/reserve") == nil)

        disk.setCapacity(try used(disk))
        let failure = #expect(throws: StorageError.self) {
            try store.write(
                CheckpointFixture.header(4), upserts: workload.states[3], deletes: [],
                replacingAll: true)
        }
        #expect(failure?.isOutOfSpace == true)
        #expect(throws: StorageError.self) { try store.refillReserve() }
        #expect(store.newest == third)

        disk.setCapacity(.max)
        try store.refillReserve()
        #expect(disk.contents(of: "/reserve")?.count == SpaceReserve.bytesMin)
        try workload.write(3, store)
    }

    @Test("a manifest that finds no room spoils nothing: the checkpoint is found out about later")
    func refusedManifest() throws {
        let disk = MemoryFileSystem(seed: 1)
        _ = workload.run(disk, "/c", count: 2)
        let store = try CheckpointFixture.open(disk, "/c")
        // The store, and the recovery that follows it, twice each.
        for _ in 0..<4 { disk.plan(.noSpace, path: "manifest") }
        for _ in 0..<4 { disk.plan(.noSpace, path: "manifest.tmp") }
        let failure = #expect(throws: StorageError.self) { try workload.write(2, store) }
        #expect(failure?.isOutOfSpace == true)
        for _ in 0..<10 {
            if (try? CheckpointFixture.writeAll(store, 9, workload.states[4])) != nil { break }
        }
        let header = try #require(store.newest)
        #expect(header.index == LogIndex(9))
        #expect(try CheckpointFixture.load(store, header) == workload.states[4])
    }

    @Test("a start without a whole manifest, and without room for one, knows the newest checkpoint")
    func lostManifest() throws {
        let disk = MemoryFileSystem(seed: 1)
        _ = workload.run(disk, "/c", count: 2)
        let newest = try #require(try CheckpointFixture.open(disk, "/c").newest)
        for slot in 0..<2 { disk.corrupt("/c/manifest", at: slot * 4096, with: [0, 0, 0]) }
        disk.setCapacity(try used(disk))
        let store = try open(disk)
        #expect(store.hasLostManifest && store.newest == newest)
        #expect(try CheckpointFixture.load(store, newest) == workload.states[1])
        // Nothing is changed before there is a manifest.
        let before = ["a.sqlite", "b.sqlite"].map { disk.contents(of: "/c/" + $0) }
        let failure = #expect(throws: StorageError.self) { try workload.write(2, store) }
        #expect(failure?.isOutOfSpace == true)
        #expect(["a.sqlite", "b.sqlite"].map { disk.contents(of: "/c/" + $0) } == before)
        disk.setCapacity(.max)
        try workload.write(2, store)
        let again = try open(disk)
        #expect(!again.hasLostManifest)
        #expect(try CheckpointFixture.load(again, try #require(again.newest)) == workload.states[2])
    }
}
