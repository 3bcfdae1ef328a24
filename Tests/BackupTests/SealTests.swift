import Backup
import Primitives
import StateMachine
import Storage
import Testing

@Suite("Backups that are encrypted")
struct SealTests {
    private let disk = MemoryFileSystem(seed: 11)
    private let seal: BackupSeal
    private let other: BackupSeal

    init() throws {
        seal = try #require(BackupSeal(keyFile: [UInt8](repeating: 7, count: 32)))
        other = try #require(BackupSeal(keyFile: [UInt8](repeating: 8, count: 32)))
    }

    private func write(_ path: String, _ source: BackupFixture.Source, _ seal: BackupSeal?) throws
        -> BackupSummary
    {
        var writer = try BackupWriter(
            path, BackupFixture.description, seal: seal, fileSystem: disk)
        for chunk in try BackupFixture.chunks(source.store) { try writer.append(chunk) }
        return try writer.finish()
    }

    private func load(_ path: String, _ seal: BackupSeal?) throws -> BackupState {
        try BackupState.load(path, seal: seal, fileSystem: disk)
    }

    private func contains(_ bytes: [UInt8], _ text: String) -> Bool {
        let wanted = Array(text.utf8)
        return bytes.indices.contains { bytes[$0...].starts(with: wanted) }
    }

    @Test("a backup comes back with its key only, and nothing of it can be read without")
    func backup() throws {
        let source = BackupFixture.filled()
        source.put("in-the-clear", "nobody-may-read-this")
        _ = try write("/sealed", source, seal)
        _ = try write("/plain", source, nil)
        #expect(
            BackupFixture.lines(try load("/sealed", seal).store)
                == BackupFixture.lines(source.store))
        #expect(BackupFixture.error { _ = try load("/sealed", nil) } == .sealed(path: "/sealed"))
        #expect(
            BackupFixture.error { _ = try load("/sealed", other) } == .otherKey(path: "/sealed"))
        // Whoever could put a file there could otherwise make it a cluster.
        #expect(BackupFixture.error { _ = try load("/plain", seal) } == .notSealed(path: "/plain"))
        #expect(!contains(try #require(disk.contents(of: "/sealed")), "nobody-may-read-this"))
    }

    @Test("blocks cannot be swapped or taken from another file, whatever the hashes say")
    func forged() throws {
        let one = try write("/one", BackupFixture.filled(), seal)
        let two = try write("/two", BackupFixture.filled(), seal)
        #expect(one.digest != two.digest)
        var bytes = try #require(disk.contents(of: "/one"))
        let others = try #require(disk.contents(of: "/two"))
        // Heads of one length, and first blocks of one length: the second file's block fits.
        let head = 16 + Int(bytes[12]) + 4
        let length = Int(bytes[head]) | Int(bytes[head + 1]) << 8
        let block = (head + 4)..<(head + 4 + length)
        try #require(bytes[head..<(head + 4)] == others[head..<(head + 4)])
        bytes.replaceSubrange(block, with: others[block])
        try disk.open("/forged", .createNew).write(bytes, at: 0)
        guard
            case .damaged(_, let number, _, _)? = BackupFixture.error({
                _ = try load("/forged", seal)
            })
        else { return #expect(Bool(false), "it was taken") }
        #expect(number == 0)
    }

    @Test("an archive is restored with its key, and goes on with no other")
    func archive() throws {
        let source = BackupFixture.Source()
        for number in 0..<10 { source.put("k\(number)", "v") }
        do {
            let writer = try ArchiveWriter("/archive", seal: seal, fileSystem: disk)
            try writer.adopt(try self.write(writer.incomingPath, source, seal))
            for number in 0..<20 { source.put("k\(number)", "secret-\(number)") }
            let entries = source.entries.filter { $0.index > writer.lastIndex }
            try writer.append(Array(entries.prefix(12)), clock: 1, archivedAt: 2)
            try writer.append(Array(entries.dropFirst(12)), clock: 1, archivedAt: 2)
        }
        disk.killProcess()
        #expect(
            BackupFixture.lines(try load("/archive", seal).store)
                == BackupFixture.lines(source.store))
        #expect(BackupFixture.error { _ = try load("/archive", nil) } != nil)
        let log = try #require(
            try Archive("/archive", seal: seal, fileSystem: disk).logs.first)
        #expect(!contains(try #require(disk.contents(of: log.path)), "secret-"))
        for wrong in [nil, other] as [BackupSeal?] {
            let error = BackupFixture.error {
                _ = try ArchiveWriter("/archive", seal: wrong, fileSystem: disk)
            }
            #expect(error?.exitStatus == 64, "\(String(describing: error))")
            disk.killProcess()
        }
        let writer = try ArchiveWriter("/archive", seal: seal, fileSystem: disk)
        #expect(writer.lastIndex == source.store.appliedIndex)
    }

    @Test("a key file has 32 bytes or 64 digits, and nothing else is a key")
    func keyFiles() {
        let digits = String(repeating: "0aF9", count: 16)
        #expect(BackupSeal(keyFile: Array(digits.utf8)) != nil)
        #expect(BackupSeal(keyFile: Array(" \(digits)\n".utf8)) != nil)
        for bad in ["", "short", digits + "0", String(digits.dropLast()) + "g", digits + digits] {
            #expect(BackupSeal(keyFile: Array(bad.utf8)) == nil, "\(bad)")
        }
    }
}
