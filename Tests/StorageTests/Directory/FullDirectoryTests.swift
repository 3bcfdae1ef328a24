import Primitives
import Storage
import Testing

@Suite("Term, vote and the reserve on a full disk (DESIGN §5)")
struct FullDirectoryTests {
    private static func state(_ term: UInt64) -> HardState {
        HardState(term: Term(term), votedFor: NodeID(term * 7))
    }

    private static func fill(_ fileSystem: MemoryFileSystem) throws {
        let used = try fileSystem.list("/").reduce(0) {
            $0 + (fileSystem.contents(of: "/" + $1)?.count ?? 0)
        }
        fileSystem.setCapacity(used)
    }

    @Test("term and vote, boot numbers and peers are stored without any room")
    func storesInPlace() throws {
        let fileSystem = MemoryFileSystem(seed: 1)
        let hard = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
        try BootFile.create(fileSystem: fileSystem, directory: "/")
        let peers = try PeerMemoryFile.create(fileSystem: fileSystem, directory: "/")
        try Self.fill(fileSystem)
        try hard.store(Self.state(1))
        let many = (1...100 as ClosedRange<UInt64>).map {
            PeerMemory(
                member: NodeID($0), boot: BootNumber($0), term: Term($0), index: LogIndex($0))
        }
        try peers.store(many)
        fileSystem.crash(.drop)
        // A start, too: its fresh copies find no room.
        #expect(
            try HardStateFile.open(fileSystem: fileSystem, directory: "/").loaded == Self.state(1))
        #expect(
            try PeerMemoryFile.open(fileSystem: fileSystem, directory: "/").loaded == many)
        for boot in 1...3 as ClosedRange<UInt64> {
            let drawn = try BootFile.draw(
                fileSystem: fileSystem, directory: "/", nonce: 1)
            #expect(drawn.boot == BootNumber(boot))
            fileSystem.crash(.drop)
        }
    }

    @Test("a start without room never brings back an older vote, whichever slot is bad")
    func everyCrashPoint() throws {
        for kind in CrashKind.allCases {
            for stores in 1...2 as ClosedRange<UInt64> {
                for badSlot in [nil, 0, 4096] {
                    for point in 0...8 {
                        let fileSystem = MemoryFileSystem(seed: UInt64(point))
                        let file = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
                        for term in 1...stores { try file.store(Self.state(term)) }
                        if let badSlot {
                            fileSystem.flipBit("/hardstate", at: badSlot + 37, bit: 4)
                        }
                        try Self.fill(fileSystem)
                        fileSystem.failPower(afterOperations: point)
                        _ = try? HardStateFile.open(fileSystem: fileSystem, directory: "/")
                        fileSystem.crash(kind)
                        let found = try HardStateFile.open(fileSystem: fileSystem, directory: "/")
                        #expect(found.loaded == Self.state(stores), "\(kind) at \(point)")
                    }
                }
            }
        }
    }

    @Test("a start without room writes the slot that it has read last, however many sectors it has")
    func everyCrashPointOfPeers() throws {
        let many = (1...90 as ClosedRange<UInt64>).map {
            PeerMemory(
                member: NodeID($0), boot: BootNumber($0), term: Term($0), index: LogIndex($0))
        }
        for badSlot in [0, 53_248] {
            for stores in 1...2 {
                for point in 0...6 {
                    for seed in 1...4 as ClosedRange<UInt64> {
                        let fileSystem = MemoryFileSystem(seed: seed)
                        let file = try PeerMemoryFile.create(fileSystem: fileSystem, directory: "/")
                        for _ in 0..<stores { try file.store(many) }
                        fileSystem.flipBit("/peers", at: badSlot + 37, bit: 4)
                        try Self.fill(fileSystem)
                        fileSystem.failPower(afterOperations: point)
                        _ = try? PeerMemoryFile.open(fileSystem: fileSystem, directory: "/")
                        fileSystem.crash(.reorder)
                        let found = try? PeerMemoryFile.open(fileSystem: fileSystem, directory: "/")
                        #expect(found?.loaded == many, "slot \(badSlot), \(stores) at \(point)")
                    }
                }
            }
        }
    }

    @Test("a store that finds no room can be repeated, and a crash between leaves old or new")
    func refusedStore() throws {
        for refusals in 1...3 {
            for point in 0...6 {
                let fileSystem = MemoryFileSystem(seed: UInt64(point))
                let file = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
                try file.store(Self.state(1))
                for _ in 0..<refusals {
                    fileSystem.plan(.noSpace, path: "/hardstate")
                    let failure = #expect(throws: StorageError.self) {
                        try file.store(Self.state(2))
                    }
                    #expect(failure?.isOutOfSpace == true)
                }
                fileSystem.failPower(afterOperations: point)
                let isStored = (try? file.store(Self.state(2))) != nil
                fileSystem.crash(.torn)
                let found = try HardStateFile.open(fileSystem: fileSystem, directory: "/").loaded
                #expect(found == Self.state(2) || (!isStored && found == Self.state(1)))
            }
        }
    }

    @Test("the reserve takes room while there is some, and gives all of it back once")
    func reserve() throws {
        let fileSystem = MemoryFileSystem(seed: 1)
        let reserve = SpaceReserve(fileSystem: fileSystem, directory: "/")
        #expect(try !reserve.giveUp())
        fileSystem.setCapacity(10_000)
        try reserve.ensure(6000)
        #expect(throws: StorageError.self) { try reserve.ensure(12_000) }
        #expect(fileSystem.contents(of: "/reserve")?.count == 6000)
        try reserve.ensure(9000)
        #expect(fileSystem.contents(of: "/reserve")?.count == 9000)
        #expect(try reserve.giveUp())
        #expect(try !reserve.giveUp())
        #expect(fileSystem.contents(of: "/reserve") == nil)
    }
}
