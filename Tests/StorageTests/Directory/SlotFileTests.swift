import Primitives
import Storage
import Testing

@Suite("Term, vote, boot and peers in two slots (DESIGN §5)")
struct SlotFileTests {
    private static func state(_ term: UInt64) -> HardState {
        HardState(term: Term(term), votedFor: term % 3 == 0 ? nil : NodeID(term * 7))
    }

    @Test("a stored term and vote are there after any crash, and a torn store leaves old or new")
    func everyCrashPoint() throws {
        for kind in CrashKind.allCases {
            for point in 0...40 {
                let fileSystem = MemoryFileSystem(seed: UInt64(point))
                var acknowledged: UInt64 = 0
                var attempted: UInt64 = 0
                var file = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
                fileSystem.failPower(afterOperations: point)
                do {
                    for term in 1...6 as ClosedRange<UInt64> {
                        attempted = term
                        try file.store(Self.state(term))
                        acknowledged = term
                        if term == 3 {
                            file = try HardStateFile.open(fileSystem: fileSystem, directory: "/")
                        }
                    }
                } catch {}
                fileSystem.crash(kind)
                let found = try HardStateFile.open(fileSystem: fileSystem, directory: "/").loaded
                let term = found.term.rawValue
                #expect(term >= acknowledged && term <= attempted, "\(kind) at \(point)")
                #expect(term == 0 ? found == .initial : found == Self.state(term))
            }
        }
    }

    @Test("one rotten slot, whichever, never brings back an older vote")
    func oneSlot() throws {
        for stores in 1...4 as ClosedRange<UInt64> {
            for slot in [0, 4096] {
                for isUnreadable in [false, true] {
                    let fileSystem = MemoryFileSystem(seed: 1)
                    let file = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
                    for term in 1...stores { try file.store(Self.state(term)) }
                    if isUnreadable {
                        fileSystem.makeUnreadable("/hardstate", at: slot)
                    } else {
                        fileSystem.flipBit("/hardstate", at: slot + 37, bit: 4)
                    }
                    let found = try HardStateFile.open(fileSystem: fileSystem, directory: "/")
                    #expect(found.loaded == Self.state(stores))
                }
            }
        }
    }

    @Test("two rotten slots are exit status 65, not a fresh start")
    func bothSlots() throws {
        let fileSystem = MemoryFileSystem(seed: 1)
        _ = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
        fileSystem.flipBit("/hardstate", at: 33, bit: 0)
        fileSystem.flipBit("/hardstate", at: 4096 + 33, bit: 0)
        let failure = #expect(throws: StorageError.self) {
            try HardStateFile.open(fileSystem: fileSystem, directory: "/")
        }
        #expect(failure?.exitStatus == 65)
    }

    @Test("a failed sync fails the store for good, and a restart makes durable what it reads")
    func failedSync() throws {
        let fileSystem = MemoryFileSystem(seed: 1)
        let file = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
        try file.store(Self.state(1))
        fileSystem.plan(.syncError, path: "/hardstate")
        #expect(throws: StorageError.self) { try file.store(Self.state(2)) }
        #expect(throws: StorageError.self) { try file.store(Self.state(2)) }
        let seen = try HardStateFile.open(fileSystem: fileSystem, directory: "/").loaded
        fileSystem.crash(.drop)
        #expect(try HardStateFile.open(fileSystem: fileSystem, directory: "/").loaded == seen)
    }

    @Test("a start knows the nonces of the last starts")
    func nonces() throws {
        let fileSystem = MemoryFileSystem(seed: 1)
        try BootFile.create(fileSystem: fileSystem, directory: "/")
        for number in 1...UInt64(BootFile.earlierMax) + 5 {
            let start = try BootFile.draw(fileSystem: fileSystem, directory: "/", nonce: number)
            let earlier = Array((1..<number).reversed().prefix(BootFile.earlierMax))
            #expect(
                start
                    == NodeStart(
                        boot: BootNumber(number), nonce: number, earlierNonces: earlier))
        }
    }

    @Test("every start draws a boot number that no start drew before, whatever crashes in between")
    func boots() throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            let fileSystem = MemoryFileSystem(seed: seed)
            var random = SplitMix64(seed: seed)
            try BootFile.create(fileSystem: fileSystem, directory: "/")
            var last = BootNumber.zero
            for _ in 0..<12 {
                if random.next(below: 2) == 0 {
                    fileSystem.failPower(afterOperations: Int(random.next(below: 14)))
                }
                let nonce = random.next()
                if let drawn = try? BootFile.draw(
                    fileSystem: fileSystem, directory: "/", nonce: nonce)
                {
                    #expect(drawn.boot > last)
                    #expect(drawn.nonce == nonce)
                    last = drawn.boot
                }
                let kinds = CrashKind.allCases
                fileSystem.crash(kinds[Int(random.next(below: UInt64(kinds.count)))])
            }
            #expect(try BootFile.read(fileSystem: fileSystem, directory: "/") >= last)
        }
    }

    @Test("peers are remembered in the order of their ids, up to a limit")
    func peers() throws {
        let fileSystem = MemoryFileSystem(seed: 1)
        let file = try PeerMemoryFile.create(fileSystem: fileSystem, directory: "/")
        func peer(_ id: UInt64) -> PeerMemory {
            PeerMemory(
                member: NodeID(id), boot: BootNumber(id + 1), term: Term(id + 2),
                index: LogIndex(id + 3))
        }
        try file.store([peer(9), peer(2), peer(5)])
        fileSystem.crash(.drop)
        let again = try PeerMemoryFile.open(fileSystem: fileSystem, directory: "/")
        #expect(again.loaded == [peer(2), peer(5), peer(9)])
        let most = (1...UInt64(PeerMemoryFile.membersMax)).map(peer)
        try again.store(most)
        #expect(try PeerMemoryFile.open(fileSystem: fileSystem, directory: "/").loaded == most)
        #expect(throws: StorageError.self) { try again.store(most + [peer(5000)]) }
    }

    @Test("random bytes in a slot file never trap", arguments: 1...200 as ClosedRange<UInt64>)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let fileSystem = MemoryFileSystem(seed: seed)
        let file = try HardStateFile.create(fileSystem: fileSystem, directory: "/")
        try file.store(Self.state(5))
        for _ in 0...random.next(below: 6) {
            let slot = Int(random.next(below: 2)) * 4096
            let place = slot + Int(random.next(below: 48))
            fileSystem.flipBit("/hardstate", at: place, bit: Int(random.next(below: 8)))
        }
        if random.next(below: 4) == 0 {
            let size = Int(random.next(below: 8192))
            try fileSystem.open("/hardstate", .readWrite).truncate(to: size)
        }
        do {
            let found = try HardStateFile.open(fileSystem: fileSystem, directory: "/").loaded
            #expect(found == Self.state(5))
        } catch { #expect(error.exitStatus == 65) }
    }
}
