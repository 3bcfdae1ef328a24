import Primitives
import Storage
import Testing

@Suite("Data directories that are put away (decision 0010)")
struct RetiredDirectoryTests {
    private static let path = "/var/keelson"
    private static let old = NodeIdentity(
        clusterID: ClusterID(0xABC), memberID: NodeID(0x123), name: "n1")
    private static let new = NodeIdentity(
        clusterID: ClusterID(0xABC), memberID: NodeID(0x456), name: "n1")

    private func make(
        _ fileSystem: MemoryFileSystem, _ identity: NodeIdentity = Self.old
    ) throws {
        _ = try DataDirectory.open(Self.path, fileSystem: fileSystem).initialize(as: identity)
    }

    private func retire(
        _ fileSystem: any FileSystem, _ member: NodeID = Self.old.memberID,
        _ path: String = Self.path
    ) throws -> String? {
        try RetiredDirectory.retire(path, of: member, fileSystem: fileSystem)
    }

    @Test("the directory is kept beside itself, whole, and its name is free")
    func kept() throws {
        let fileSystem = MemoryFileSystem(seed: 5)
        try make(fileSystem)
        #expect(
            try retire(fileSystem, Self.old.memberID, "/var/keelson/") == Self.path
                + ".replaced-123")
        fileSystem.crash(.drop)
        #expect(try !fileSystem.exists(Self.path))
        let kept = try DataDirectory.open(Self.path + ".replaced-123", fileSystem: fileSystem)
        #expect(kept.identity == Self.old)
        #expect(
            try RetiredDirectory.has(Self.old.memberID, beside: Self.path, fileSystem: fileSystem))
        #expect(try !RetiredDirectory.has(NodeID(0x12), beside: Self.path, fileSystem: fileSystem))
        #expect(try retire(fileSystem) == nil)
    }

    @Test("four are kept, alike names or not; a fifth is refused and left where it is")
    func limit() throws {
        let fileSystem = MemoryFileSystem(seed: 5)
        var places: [String] = []
        for _ in 0..<2 {
            for identity in [Self.old, Self.new] {
                try make(fileSystem, identity)
                places.append(try #require(try retire(fileSystem, identity.memberID)))
            }
        }
        #expect(Set(places).count == RetiredDirectory.keptMax)
        try make(fileSystem)
        let error = #expect(throws: StorageError.self) { try retire(fileSystem) }
        #expect(error?.description.contains("keelson.replaced-123.2") == true)
        #expect(try DataDirectory.identity(at: Self.path, fileSystem: fileSystem) == Self.old)
        #expect(
            try RetiredDirectory.names(beside: Self.path, fileSystem: fileSystem).count
                == RetiredDirectory.keptMax)
    }

    @Test("a directory that a process uses stays")
    func locked() throws {
        let fileSystem = MemoryFileSystem(seed: 5)
        try make(fileSystem)
        let user = try DataDirectory.open(Self.path, fileSystem: fileSystem)
        #expect(throws: StorageError.locked(path: Self.path)) { try retire(fileSystem) }
        #expect(user.identity == Self.old)
    }

    /// Puts the old member's directory away and makes the new one's, as a server does that comes
    /// back; false where the power went.
    private func comeBack(_ fileSystem: MemoryFileSystem) -> Bool {
        do {
            if try DataDirectory.identity(at: Self.path, fileSystem: fileSystem) == Self.old {
                _ = try retire(fileSystem)
            }
            let data = try DataDirectory.open(Self.path, fileSystem: fileSystem)
            if data.identity == nil { _ = try data.initialize(as: Self.new) }
            return true
        } catch { return false }
    }

    @Test(
        "power lost anywhere leaves the old directory, none, or the new one, and what was is kept",
        arguments: CrashKind.allCases)
    func powerLost(kind: CrashKind) throws {
        var changes = 0
        while true {
            let fileSystem = MemoryFileSystem(seed: UInt64(changes))
            try make(fileSystem)
            fileSystem.failPower(afterOperations: changes)
            let isDone = comeBack(fileSystem)
            fileSystem.crash(kind)
            let what: Comment = "\(kind) at change \(changes)"
            let found = try DataDirectory.identity(at: Self.path, fileSystem: fileSystem)
            let isKept = try RetiredDirectory.has(
                Self.old.memberID, beside: Self.path, fileSystem: fileSystem)
            #expect(found == Self.old ? !isKept : isKept, what)
            if isDone { #expect(found == Self.new, what) }
            #expect(comeBack(fileSystem), what)
            let data = try DataDirectory.open(Self.path, fileSystem: fileSystem)
            #expect(data.identity == Self.new, what)
            #expect(try fileSystem.list(data.logPath) == [], what)
            if isDone { break }
            changes += 1
        }
        #expect(changes > 10)
    }
}
