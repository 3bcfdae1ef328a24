import Primitives
import Storage
import Testing

@Suite("The data directory (DESIGN §5)")
struct DataDirectoryTests {
    private static let path = "/var/keelson"
    private static let identity = NodeIdentity(
        clusterID: ClusterID(0xABC), memberID: NodeID(0x123), name: "node-1")

    private static func make() throws -> MemoryFileSystem {
        let fileSystem = MemoryFileSystem(seed: 5)
        _ = try DataDirectory.open(path, fileSystem: fileSystem).initialize(as: identity)
        return fileSystem
    }

    @Test("an empty directory is nobody's; an initialised one says whose it is, after a crash too")
    func identity() throws {
        let fileSystem = MemoryFileSystem(seed: 5)
        #expect(try DataDirectory.open(Self.path + "/", fileSystem: fileSystem).identity == nil)
        let data = try DataDirectory.open(Self.path, fileSystem: fileSystem)
        #expect(try data.initialize(as: Self.identity).identity == Self.identity)
        fileSystem.crash(.drop)
        let again = try DataDirectory.open(Self.path, fileSystem: fileSystem)
        #expect(again.identity == Self.identity)
        #expect(
            try HardStateFile.open(fileSystem: fileSystem, directory: again.path).loaded == .initial
        )
        #expect(try fileSystem.list(again.logPath) == [])
    }

    @Test("two processes cannot use one directory")
    func locked() throws {
        let fileSystem = try Self.make()
        var first: DataDirectory? = try DataDirectory.open(Self.path, fileSystem: fileSystem)
        #expect(throws: StorageError.locked(path: Self.path)) {
            try DataDirectory.open(Self.path, fileSystem: fileSystem)
        }
        #expect(first != nil)
        first = nil
        _ = try DataDirectory.open(Self.path, fileSystem: fileSystem)
    }

    @Test("another cluster's or member's directory is refused by name with exit status 65")
    func foreign() throws {
        let data = try DataDirectory.open(Self.path, fileSystem: try Self.make())
        try data.check(clusterID: ClusterID(0xABC), memberID: NodeID(0x123))
        let cluster = #expect(throws: StorageError.self) {
            try data.check(clusterID: ClusterID(0xDEF), memberID: NodeID(0x123))
        }
        #expect(cluster?.exitStatus == 65)
        #expect(cluster?.description.contains("belongs to cluster abc, this node is def") == true)
        let member = #expect(throws: StorageError.self) {
            try data.check(clusterID: ClusterID(0xABC), memberID: NodeID(0x124))
        }
        #expect(member?.exitStatus == 65)
        #expect(member?.description.contains("member 123 (node-1)") == true)
    }

    @Test(
        "A36 links, files, directories of others, for all, or with other things are refused"
    )
    func unsafe() throws {
        let fileSystem = MemoryFileSystem(seed: 5)
        fileSystem.makeSymbolicLink("/link")
        _ = try fileSystem.open("/file", .createNew)
        try fileSystem.makeDirectory("/open")
        fileSystem.setWorldWritable("/open")
        try fileSystem.makeDirectory("/theirs")
        fileSystem.setForeign("/theirs")
        try fileSystem.makeDirectory("/photos")
        _ = try fileSystem.open("/photos/holiday.jpg", .createNew)
        let reasons = [
            "/link": "symbolic link", "/file": "not a directory", "/open": "everybody may write",
            "/photos": "holds holiday.jpg", "/theirs": "belongs to another user",
        ]
        for (path, reason) in reasons {
            let failure = #expect(throws: StorageError.self) {
                try DataDirectory.open(path, fileSystem: fileSystem)
            }
            #expect(failure?.exitStatus == 65)
            #expect(failure?.description.contains(reason) == true)
        }
    }

    @Test(
        "a directory that lost a part is refused, and without its identity it is not new"
    )
    func incomplete() throws {
        for name in ["hardstate", "boot", "peers"] {
            let fileSystem = try Self.make()
            try fileSystem.remove(Self.path + "/" + name)
            #expect(
                throws: StorageError.corrupt(
                    path: Self.path + "/" + name, offset: 0, reason: "it is missing")
            ) { try DataDirectory.open(Self.path, fileSystem: fileSystem) }
        }
        let fileSystem = try Self.make()
        _ = try fileSystem.open(Self.path + "/log/0000000000000001.log", .createNew)
        try fileSystem.remove(Self.path + "/identity")
        let failure = #expect(throws: StorageError.self) {
            try DataDirectory.open(Self.path, fileSystem: fileSystem)
        }
        #expect(failure?.exitStatus == 65)
    }

    @Test("a crash anywhere while the directory is made leaves one that can be made or used")
    func crashWhileMaking() throws {
        for point in 0...60 {
            for kind in CrashKind.allCases {
                let fileSystem = MemoryFileSystem(seed: UInt64(point))
                fileSystem.failPower(afterOperations: point)
                do {
                    let data = try DataDirectory.open(Self.path, fileSystem: fileSystem)
                    _ = try data.initialize(as: Self.identity)
                } catch {}
                fileSystem.crash(kind)
                let data = try DataDirectory.open(Self.path, fileSystem: fileSystem)
                if data.identity == nil { _ = try data.initialize(as: Self.identity) }
                fileSystem.crash(.drop)
                let again = try DataDirectory.open(Self.path, fileSystem: fileSystem)
                #expect(again.identity == Self.identity)
            }
        }
    }

    @Test("a newer identity file is exit status 65")
    func newer() throws {
        let fileSystem = try Self.make()
        let path = Self.path + "/identity"
        for slot in [0, 4096] {
            var head = try #require(fileSystem.contents(of: path))[slot..<(slot + 16)].map { $0 }
            head[8] = 9
            let sum = Checksum.crc32c(Array(head[0..<12]))
            withUnsafeBytes(of: sum.littleEndian) { head.replaceSubrange(12..<16, with: $0) }
            fileSystem.corrupt(path, at: slot, with: head)
        }
        #expect(throws: StorageError.newerFormat(path: path, found: 9, supported: 1)) {
            try DataDirectory.open(Self.path, fileSystem: fileSystem)
        }
    }
}
