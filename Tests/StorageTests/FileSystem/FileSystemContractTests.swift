import Glibc
import Primitives
import Storage
import Testing

/// A file system and an empty directory on it.
struct FileSystemSubject: CustomTestStringConvertible, Sendable {
    enum Kind: CaseIterable, Sendable { case posix, memory, overlay }
    let kind: Kind
    var testDescription: String { "\(kind)" }

    static let all = Kind.allCases.map { FileSystemSubject(kind: $0) }

    func run(_ body: (any FileSystem, String) throws -> Void) throws {
        switch kind {
        case .memory:
            let fileSystem = MemoryFileSystem(seed: 7)
            try fileSystem.makeDirectory("/work")
            try body(fileSystem, "/work")
        case .overlay:
            let under = MemoryFileSystem(seed: 7)
            try under.makeDirectory("/work")
            try body(OverlayFileSystem(over: under), "/work")
        case .posix:
            var template = Array("/tmp/keelson-files-XXXXXX".utf8CString)
            let made = try #require(mkdtemp(&template)).withMemoryRebound(
                to: CChar.self, capacity: template.count
            ) { String(cString: $0) }
            defer { Self.removeTree(made) }
            try body(PosixFileSystem(), made)
        }
    }

    private static func removeTree(_ path: String) {
        let fileSystem = PosixFileSystem()
        for name in (try? fileSystem.list(path)) ?? [] {
            let child = path + "/" + name
            if unlink(child) != 0 { removeTree(child) }
        }
        rmdir(path)
    }
}

@Suite("The file system's contract, on the real one, the faulty one and a sheet over another")
struct FileSystemContractTests {
    @Test(
        "a directory moves with all that is in it, and never onto another that holds something",
        arguments: FileSystemSubject.all.filter { $0.kind != .overlay })
    func directoryMoves(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            let (from, to) = (root + "/old", root + "/new")
            for path in [from, from + "/in", to] { try fileSystem.makeDirectory(path) }
            let file = try fileSystem.open(from + "/in/file", .createNew)
            try file.write([1, 2], at: 0)
            try fileSystem.open(to + "/other", .createNew).sync()
            #expect(throws: StorageError.self) { try fileSystem.rename(from, to: to) }
            try fileSystem.rename(from, to: to + "2")
            try fileSystem.syncDirectory(root)
            try file.write([3], at: 2)
            #expect(try fileSystem.open(to + "2/in/file", .read).readAll() == [1, 2, 3])
            #expect(try fileSystem.list(root) == ["new", "new2"])
            #expect(try fileSystem.kind(of: from) == .missing)
            try fileSystem.makeDirectory(from)
            #expect(try fileSystem.list(from) == [])
        }
    }

    @Test("the open modes differ in what they want to be there", arguments: FileSystemSubject.all)
    func openModes(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            let path = root + "/a"
            #expect(throws: StorageError.notFound(path: path)) { try fileSystem.open(path, .read) }
            #expect(throws: StorageError.notFound(path: path)) {
                try fileSystem.open(path, .readWrite)
            }
            try fileSystem.open(path, .createNew).write([1, 2, 3], at: 0)
            #expect(throws: StorageError.alreadyExists(path: path)) {
                try fileSystem.open(path, .createNew)
            }
            #expect(try fileSystem.open(path, .openOrCreate).readAll() == [1, 2, 3])
            #expect(try fileSystem.open(root + "/b", .openOrCreate).size() == 0)
            #expect(throws: StorageError.self) {
                try fileSystem.open(path, .read).write([1], at: 0)
            }
            #expect(throws: StorageError.self) { try fileSystem.open(root + "/no/a", .createNew) }
        }
    }

    @Test(
        "what was written is read, at any offset, and a gap reads as zeros",
        arguments: FileSystemSubject.all)
    func readAndWrite(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            let file = try fileSystem.open(root + "/a", .createNew)
            try file.write([1, 2, 3], at: 10)
            #expect(try file.size() == 13)
            #expect(try file.readAll() == [UInt8](repeating: 0, count: 10) + [1, 2, 3])
            try file.write([9], at: 11)
            #expect(try file.read(2, at: 11) == [9, 3])
            #expect(try file.read(100, at: 12) == [3])
            #expect(try file.read(100, at: 13) == [])
            #expect(try file.read(100, at: 99) == [])
            try file.write([] as [UInt8], at: 50)
            #expect(try file.size() == 13)
            let large = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 >> 8) }
            try file.write(large, at: 4096)
            try file.sync()
            let same = try fileSystem.open(root + "/a", .read).read(large.count, at: 4096)
            #expect(same == large)
        }
    }

    @Test(
        "what is written past the page cache and through it, by turns, reads as it was written",
        arguments: FileSystemSubject.all)
    func bypassesCache(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            let file = try fileSystem.open(root + "/a", .createNew)
            let size = 1 << 20
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
            defer { memory.deallocate() }
            var model = [UInt8](repeating: 0, count: size)
            try file.fillWithZeros(to: size)
            file.bypassCache()
            // Its name is another file's now.
            try fileSystem.rename(root + "/a", to: root + "/b")
            try fileSystem.open(root + "/a", .createNew).write([9], at: 0)
            let same = try fileSystem.open(root + "/b", .readWrite)
            same.bypassCache()
            same.bypassCache()
            var random = SplitMix64(seed: 3)
            for turn in 0..<400 {
                // Whole sectors, whole pages, and neither; from memory that is aligned or is not.
                let unit = [512, 4096, 1][turn % 3]
                let count = unit * (1 + Int(random.next(below: UInt64(20_000 / unit))))
                let offset = unit * Int(random.next(below: UInt64((size - count) / unit)))
                let shift = turn % 5 == 0 ? 8 : 0
                let bytes = UnsafeMutableRawBufferPointer(
                    rebasing: memory[shift..<(shift + count)])
                for place in bytes.indices {
                    bytes[place] = UInt8(truncatingIfNeeded: turn + place)
                }
                try (turn % 2 == 0 ? file : same).write(UnsafeRawBufferPointer(bytes), at: offset)
                model.replaceSubrange(offset..<(offset + count), with: bytes)
                if turn % 7 == 0 { try same.sync() }
                let start = Int(random.next(below: UInt64(size - 5000)))
                #expect(try file.read(5000, at: start) == Array(model[start..<(start + 5000)]))
            }
            #expect(try fileSystem.open(root + "/b", .read).readAll() == model)
            #expect(try fileSystem.open(root + "/a", .read).readAll() == [9])
        }
    }

    @Test(
        "truncate, allocate and fillWithZeros set the size; new bytes are zeros",
        arguments: FileSystemSubject.all)
    func sizes(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            let file = try fileSystem.open(root + "/a", .createNew)
            try file.write([1, 2, 3, 4], at: 0)
            try file.truncate(to: 2)
            try file.truncate(to: 4)
            #expect(try file.readAll() == [1, 2, 0, 0])
            try file.allocate(5000)
            #expect(try file.size() == 5000)
            try file.allocate(10)
            #expect(try file.size() == 5000)
            #expect(try file.readAll() == [1, 2] + [UInt8](repeating: 0, count: 4998))
            try file.fillWithZeros(to: 1_500_000)
            #expect(try file.readAll() == [UInt8](repeating: 0, count: 1_500_000))
        }
    }

    @Test(
        "a rename replaces what is there; a missing source is named",
        arguments: FileSystemSubject.all)
    func renames(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            try fileSystem.open(root + "/a", .createNew).write([1], at: 0)
            let old = try fileSystem.open(root + "/b", .createNew)
            try old.write([2], at: 0)
            try fileSystem.rename(root + "/a", to: root + "/b")
            #expect(try fileSystem.list(root) == ["b"])
            #expect(try fileSystem.open(root + "/b", .read).readAll() == [1])
            // The replaced file lives as long as it is open.
            #expect(try old.readAll() == [2])
            #expect(throws: StorageError.notFound(path: root + "/a")) {
                try fileSystem.rename(root + "/a", to: root + "/c")
            }
        }
    }

    @Test(
        "a removed file has no name, and lives on while it is open",
        arguments: FileSystemSubject.all)
    func removal(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            let file = try fileSystem.open(root + "/a", .createNew)
            try file.write([5], at: 0)
            try fileSystem.remove(root + "/a")
            #expect(try fileSystem.kind(of: root + "/a") == .missing)
            #expect(try file.readAll() == [5])
            try file.write([6], at: 0)
            #expect(try file.readAll() == [6])
            #expect(throws: StorageError.notFound(path: root + "/a")) {
                try fileSystem.remove(root + "/a")
            }
        }
    }

    @Test(
        "directories list their names in order and say what they are",
        arguments: FileSystemSubject.all)
    func directories(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            try fileSystem.makeDirectory(root + "/d")
            try fileSystem.makeDirectory(root + "/d")
            for name in ["z", "a", "m"] { _ = try fileSystem.open(root + "/" + name, .createNew) }
            _ = try fileSystem.open(root + "/d/inner", .createNew)
            #expect(try fileSystem.list(root) == ["a", "d", "m", "z"])
            #expect(try fileSystem.list(root + "/d") == ["inner"])
            #expect(try fileSystem.kind(of: root + "/a") == .file)
            #expect(
                try fileSystem.kind(of: root + "/d")
                    == .directory(groupMayWrite: false, worldMayWrite: false, isForeign: false))
            #expect(try fileSystem.exists(root + "/d"))
            #expect(try !fileSystem.exists(root + "/x"))
            try fileSystem.syncDirectory(root)
            #expect(throws: StorageError.notFound(path: root + "/x")) {
                try fileSystem.list(root + "/x")
            }
            #expect(throws: StorageError.notFound(path: root + "/x")) {
                try fileSystem.syncDirectory(root + "/x")
            }
            #expect(throws: StorageError.self) { try fileSystem.makeDirectory(root + "/no/d") }
            #expect(throws: StorageError.self) { try fileSystem.makeDirectory(root + "/a") }
        }
    }

    @Test("a lock belongs to one handle until that closes", arguments: FileSystemSubject.all)
    func locks(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            var first: (any StorageFile)? = try fileSystem.open(root + "/LOCK", .openOrCreate)
            let second = try fileSystem.open(root + "/LOCK", .openOrCreate)
            #expect(try first?.lock() == true)
            #expect(try first?.lock() == true)
            #expect(try second.lock() == false)
            first = nil
            #expect(try second.lock() == true)
        }
    }

    @Test("the log and the directory work on it", arguments: FileSystemSubject.all)
    func everythingTogether(subject: FileSystemSubject) throws {
        try subject.run { fileSystem, root in
            let fresh = try DataDirectory.open(root + "/node/data", fileSystem: fileSystem)
            let data = try fresh.initialize(as: LogFixture.identity)
            let entries = LogFixture.entries(1...200)
            for boot in 1...3 as ClosedRange<UInt64> {
                let drawn = try BootFile.draw(
                    fileSystem: fileSystem, directory: data.path, nonce: 9)
                #expect(drawn.boot == BootNumber(boot))
                let log = try LogFixture.open(fileSystem, boot: boot, directory: data.logPath)
                if boot == 1 { try log.append(entries) }
                try log.sync()
                #expect(try LogFixture.all(log) == entries)
                _ = try log.prepareSpare()
            }
            #expect(throws: StorageError.locked(path: root + "/node/data")) {
                try DataDirectory.open(root + "/node/data", fileSystem: fileSystem)
            }
        }
    }

    @Test("the real file system tells a symbolic link and an open directory")
    func posixKinds() throws {
        try FileSystemSubject(kind: .posix).run { fileSystem, root in
            try fileSystem.makeDirectory(root + "/d")
            #expect(symlink(root + "/d", root + "/l") == 0)
            #expect(try fileSystem.kind(of: root + "/l") == .symbolicLink)
            #expect(chmod(root + "/d", 0o777) == 0)
            #expect(
                try fileSystem.kind(of: root + "/d")
                    == .directory(groupMayWrite: true, worldMayWrite: true, isForeign: false))
            for name in ["/d", "/l"] {
                let failure = #expect(throws: StorageError.self) {
                    try DataDirectory.open(root + name, fileSystem: fileSystem)
                }
                #expect(failure?.exitStatus == 65)
            }
        }
    }
}
