import Primitives
import Storage
import Testing

@Suite("Checkpoints cut short (DESIGN §5, checkpoints)")
struct CheckpointCrashTests {
    private let workload = CheckpointWorkload()

    /// How many changes of the disk the whole workload makes.
    private func changeCount() throws -> Int {
        let disk = MemoryFileSystem(seed: 1)
        #expect(workload.run(disk, "/c").count == workload.states.count)
        return disk.operationCount
    }

    /// Each kind of crash strikes at every third change, each at others: together, nearly all.
    private func phase(_ kind: CrashKind) -> Int {
        switch kind {
        case .drop, .keep: 0
        case .torn: 1
        case .reorder: 2
        }
    }

    @Test("a process killed between any two changes leaves the newest two checkpoints whole")
    func killedAnywhere() throws {
        for changes in 0..<(try changeCount()) {
            let directory = CheckpointTestDirectory()
            let path = directory.path + "/c"
            let mortal = MortalFileSystem(PosixFileSystem(), changes: changes)
            let written = workload.run(mortal, path)
            #expect(mortal.isDead)
            #expect(written.count < workload.states.count)
            try workload.check(PosixFileSystem(), path, written, "killed at change \(changes)")
        }
    }

    @Test(
        "power lost between any two changes leaves the newest two checkpoints whole",
        arguments: CrashKind.allCases)
    func powerLostAnywhere(kind: CrashKind) throws {
        for changes in stride(from: phase(kind), to: try changeCount(), by: 3) {
            let disk = MemoryFileSystem(seed: UInt64(changes))
            disk.failPower(afterOperations: changes)
            let written = workload.run(disk, "/c")
            #expect(written.count < workload.states.count)
            disk.crash(kind)
            try workload.check(disk, "/c", written, "\(kind) at change \(changes)")
        }
    }

    @Test(
        "what a killed process left is durable once it was believed",
        arguments: [CrashKind.drop, .reorder])
    func killedThenPowerLost(kind: CrashKind) throws {
        for changes in stride(from: phase(kind), to: try changeCount(), by: 3) {
            let disk = MemoryFileSystem(seed: UInt64(changes))
            let mortal = MortalFileSystem(disk, changes: changes)
            let written = workload.run(mortal, "/c")
            let believed = try CheckpointFixture.open(disk, "/c")
            let (newest, previous) = (believed.newest, believed.previous)
            disk.crash(kind)
            let what = Comment("\(kind) after change \(changes)")
            let store = try CheckpointFixture.open(disk, "/c")
            #expect(store.newest == newest, what)
            #expect(store.previous == previous, what)
            try workload.check(disk, "/c", written, what)
        }
    }

    @Test("power lost again, at any change of the recovery itself, changes nothing")
    func powerLostInRecovery() throws {
        let count = try changeCount()
        for changes in stride(from: 3, to: count, by: 23) {
            for step in stride(from: changes % 2, to: 12, by: 2) {
                let disk = MemoryFileSystem(seed: UInt64(changes * 31 + step))
                disk.failPower(afterOperations: changes)
                let written = workload.run(disk, "/c")
                disk.crash(.reorder)
                disk.failPower(afterOperations: step)
                _ = try? CheckpointFixture.open(disk, "/c")
                disk.crash(.torn)
                try workload.check(disk, "/c", written, "\(changes), then \(step)")
            }
        }
    }

    @Test("after a failed sync nothing works until the process starts anew, and nothing is lost")
    func failedSync() throws {
        for file in ["a.sqlite", "b.sqlite", "-journal", "manifest", ".new"] {
            for earlier in 0..<5 {
                let disk = MemoryFileSystem(seed: UInt64(earlier))
                let written = workload.run(disk, "/c", count: earlier)
                let store = try CheckpointFixture.open(disk, "/c")
                disk.plan(.syncError, path: file)
                let failure: StorageError
                do throws(StorageError) {
                    try workload.write(earlier, store)
                    continue  // This write does not sync that file.
                } catch { failure = error }
                guard case .syncFailed = failure else {
                    Issue.record("\(file): \(failure)")
                    continue
                }
                #expect(throws: failure) { try workload.write(earlier, store) }
                #expect(throws: failure) {
                    try store.load(CheckpointFixture.header(1)) { _ in }
                }
                disk.crash(.drop)
                try workload.check(disk, "/c", written, "\(file) after \(earlier)")
            }
        }
    }

    @Test("a write that fails anywhere leaves a store that works, with the checkpoints it had")
    func failedWrite() throws {
        for (fault, earlier) in [(PlannedFault.writeError, 2), (.noSpace, 2), (.writeError, 3)] {
            for file in ["a.sqlite", "b.sqlite", "-journal", "manifest", ".new", "manifest.tmp"] {
                let disk = MemoryFileSystem(seed: 3)
                let written = workload.run(disk, "/c", count: earlier)
                let store = try CheckpointFixture.open(disk, "/c")
                disk.plan(fault, path: file)
                if (try? workload.write(earlier, store)) == nil {
                    let what = Comment("\(fault) on \(file)")
                    let newest = Int(store.newest?.index.rawValue ?? 0)
                    #expect(newest == earlier || newest == earlier + 1, what)
                    let header = try #require(store.newest, what)
                    #expect(
                        try CheckpointFixture.load(store, header) == workload.states[newest - 1],
                        what)
                    try workload.check(disk, "/c", written, what)
                }
            }
        }
    }

    @Test(
        "a full disk refuses a checkpoint, keeps the others, and takes it once there is room"
    )
    func fullDisk() throws {
        var refusals = 0
        for room in stride(from: 0, to: 400_000, by: 30_000) {
            let disk = MemoryFileSystem(seed: 1)
            let written = workload.run(disk, "/c", count: 3)
            let used = try disk.list("/c").reduce(0) {
                $0 + (disk.contents(of: "/c/" + $1)?.count ?? 0)
            }
            let store = try CheckpointFixture.open(disk, "/c")
            disk.setCapacity(used + room)
            do throws(StorageError) {
                try workload.write(3, store)
                continue
            } catch {
                refusals += 1
                guard case .outOfSpace = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
            #expect((store.newest, store.previous) == (written[2], written[1]))
            #expect(try CheckpointFixture.load(store, written[2]) == workload.states[2])
            disk.setCapacity(.max)
            let next = try workload.write(3, store)
            #expect((store.newest, store.previous) == (next, written[2]))
            #expect(try CheckpointFixture.load(store, next) == workload.states[3])
        }
        #expect(refusals > 2)
    }

    @Test("a disk that is full even for the manifest ends nothing for good")
    func fullDiskForManifest() throws {
        let disk = MemoryFileSystem(seed: 1)
        _ = workload.run(disk, "/c", count: 3)
        let store = try CheckpointFixture.open(disk, "/c")
        for _ in 0..<2 { disk.plan(.noSpace, path: "/manifest") }
        #expect(throws: StorageError.self) { try workload.write(3, store) }
        let next = try CheckpointFixture.writeAll(store, 90, workload.states[3])
        #expect(store.newest == next)
        #expect(try CheckpointFixture.load(store, next) == workload.states[3])
    }

    @Test("a sector that cannot be read makes the store fall back, if anything is in it")
    func unreadableSector() throws {
        var foundCount = 0
        let disk = MemoryFileSystem(seed: 1)
        let written = workload.run(disk, "/c", count: 3)
        let size = try #require(disk.contents(of: "/c/a.sqlite")?.count)
        for offset in stride(from: 0, to: size, by: 16_384) {
            let disk = MemoryFileSystem(seed: 1)
            _ = workload.run(disk, "/c", count: 3)
            disk.makeUnreadable("/c/a.sqlite", at: offset)
            let store = try CheckpointFixture.open(disk, "/c")
            if store.newest == written[2] {
                do throws(StorageError) {
                    var rows: [Row] = []
                    try store.load(written[2]) { rows.append($0) }
                    // SQLite keeps a page free there.
                    #expect(rows == workload.states[2])
                    continue
                } catch {
                    #expect(error.isRottenCheckpoint)
                }
            }
            foundCount += 1
            #expect(store.newest == written[1], "sector at \(offset)")
            #expect(try CheckpointFixture.load(store, written[1]) == workload.states[1])
        }
        #expect(foundCount > 4)
    }
}
