import Backup
import Primitives
import StateMachine
import Storage
import Testing

@Suite("A backup that stopped half-way goes on")
struct ResumeTests {
    private let disk = MemoryFileSystem(seed: 1)
    private let store = BackupFixture.filled(keyCount: 120).store

    private func chunks() throws -> [[UInt8]] {
        try BackupFixture.chunks(store, chunkBytes: 1024, boot: BootNumber(9))
    }

    private func resumed(_ seal: BackupSeal? = nil) throws -> BackupWriter? {
        try BackupWriter.resume("/b.kbk", seal: seal, fileSystem: disk)
    }

    /// Writes the first `count` chunks and leaves them.
    private func leave(_ count: Int, _ seal: BackupSeal? = nil) throws {
        var writer = try BackupWriter(
            "/b.kbk", BackupFixture.description, seal: seal, fileSystem: disk)
        for chunk in try chunks()[..<count] { try writer.append(chunk) }
        #expect(try writer.leave() == (count > 0))
    }

    /// Asks for the rest, as a server gives it, and ends the file.
    @discardableResult
    private func goOn(_ seal: BackupSeal? = nil) throws -> BackupSummary {
        var writer = try #require(try resumed(seal))
        #expect(writer.description == BackupFixture.description)
        if let point = writer.resumePoint {
            #expect(point.sender == NodeID(5) && point.boot == BootNumber(9))
            for chunk in try chunks()[Int(point.nextChunk)...] { try writer.append(chunk) }
        }
        #expect(writer.isComplete)
        return try writer.finish()
    }

    private func whole() throws -> [UInt8] {
        let disk = MemoryFileSystem(seed: 1)
        var writer = try BackupWriter("/b.kbk", BackupFixture.description, fileSystem: disk)
        for chunk in try chunks() { try writer.append(chunk) }
        _ = try writer.finish()
        return try #require(disk.contents(of: "/b.kbk"))
    }

    private func writePart(_ bytes: [UInt8]) throws {
        let file = try disk.open("/b.kbk.part", .openOrCreate)
        try file.truncate(to: 0)
        try file.write(bytes, at: 0)
    }

    @Test("behind any chunk, and has the bytes that it would have had without a stop")
    func anyChunk() throws {
        let expected = try whole()
        let count = try chunks().count
        #expect(count > 8)
        for stop in 1...count {
            try leave(stop)
            #expect(try disk.list("/") == ["b.kbk.part"])
            try goOn()
            #expect(disk.contents(of: "/b.kbk") == expected)
            #expect(try disk.list("/") == ["b.kbk"])
            try disk.remove("/b.kbk")
        }
    }

    @Test("wherever the file was cut off, and is never taken for a whole one before")
    func anyByte() throws {
        let expected = try whole()
        for length in stride(from: 0, through: expected.count, by: 37) {
            try writePart(Array(expected[..<length]))
            if length < expected.count {
                let error = BackupFixture.error {
                    _ = try BackupState.load("/b.kbk.part", fileSystem: disk)
                }
                #expect(error?.exitStatus == 65)
            }
            guard try resumed() != nil else {
                #expect(length < 200)
                continue
            }
            try goOn()
            #expect(disk.contents(of: "/b.kbk") == expected)
            try disk.remove("/b.kbk")
        }
    }

    @Test("though what is there was changed: from before the change on")
    func damaged() throws {
        let expected = try whole()
        for offset in stride(from: 0, to: expected.count, by: 53) {
            var bytes = expected
            bytes[offset] ^= 1 << (offset % 8)
            try writePart(bytes)
            guard try resumed() != nil else {
                #expect(offset < 200)
                continue
            }
            try goOn()
            #expect(disk.contents(of: "/b.kbk") == expected)
            try disk.remove("/b.kbk")
        }
    }

    @Test("what all came of, and was not moved to its place, needs nobody any more")
    func complete() throws {
        let expected = try whole()
        for length in (expected.count - 44)...expected.count {
            try writePart(Array(expected[..<length]))
            let writer = try #require(try resumed())
            #expect(writer.isComplete && writer.resumePoint == nil)
        }
        try goOn()
        #expect(disk.contents(of: "/b.kbk") == expected)
    }

    @Test("what is no beginning of a backup is none")
    func foreign() throws {
        #expect(try resumed() == nil)
        let others: [[UInt8]] = [[], [1, 2, 3], Array("SQLite format 3, and then more".utf8)]
        for bytes in others {
            try writePart(bytes)
            #expect(try resumed() == nil)
        }
        // A newer format, which this build cannot go on with.
        var bytes = try whole()
        bytes[8] = 9
        try writePart(bytes)
        #expect(try resumed() == nil)
        try leave(0)
        #expect(try disk.list("/").isEmpty)
    }

    @Test("not at a member that keeps nothing to go on with")
    func olderMember() throws {
        var writer = try BackupWriter("/b.kbk", BackupFixture.description, fileSystem: disk)
        for chunk in try BackupFixture.chunks(store)[..<3] { try writer.append(chunk) }
        #expect(writer.hasBegun && writer.resumePoint == nil && !writer.isComplete)
        // Its next stream begins anew in the same file.
        try writer.beginAnew(BackupFixture.description)
        #expect(!writer.hasBegun)
        for chunk in try chunks() { try writer.append(chunk) }
        _ = try writer.finish()
        #expect(disk.contents(of: "/b.kbk") == (try whole()))
    }

    @Test("encrypted as well, with the same key and with no other")
    func sealed() throws {
        let key = try #require(BackupSeal(keyFile: [UInt8](repeating: 7, count: 32)))
        let other = try #require(BackupSeal(keyFile: [UInt8](repeating: 8, count: 32)))
        for stop in [1, 4, try chunks().count] {
            try leave(stop, key)
            #expect(
                BackupFixture.error { _ = try resumed() } == .sealed(path: "/b.kbk.part"))
            #expect(
                BackupFixture.error { _ = try resumed(other) } == .otherKey(path: "/b.kbk.part"))
            let summary = try goOn(key)
            let state = try BackupState.load("/b.kbk", seal: key, fileSystem: disk)
            #expect(state.origin == .backup(summary))
            #expect(BackupFixture.lines(state.store) == BackupFixture.lines(store))
            try disk.remove("/b.kbk")
        }
        try leave(3)
        let error = BackupFixture.error { _ = try resumed(key) }
        #expect(error == .notSealed(path: "/b.kbk.part") && error?.isAboutKey == true)
    }

    @Test("one process at a time goes on")
    func locked() throws {
        try leave(3)
        let first = try #require(try resumed())
        #expect(
            BackupFixture.error { _ = try resumed() }
                == .storage(.locked(path: "/b.kbk.part")))
        #expect(try withExtendedLifetime(first) { try disk.exists("/b.kbk.part") })
    }

    @Test("after the power failed as well", arguments: 0..<12)
    func powerLoss(operations: Int) throws {
        for kind in CrashKind.allCases {
            let disk = MemoryFileSystem(seed: UInt64(operations))
            disk.failPower(afterOperations: operations)
            _ = BackupFixture.error {
                var writer = try BackupWriter(
                    "/b.kbk", BackupFixture.description, fileSystem: disk)
                for chunk in try chunks()[..<6] {
                    try writer.append(chunk)
                    _ = try writer.leave()
                }
            }
            disk.crash(kind)
            let left = try BackupWriter.resume("/b.kbk", fileSystem: disk)
            var writer =
                try left
                ?? BackupWriter("/b.kbk", BackupFixture.description, fileSystem: disk)
            let next = Int(writer.resumePoint?.nextChunk ?? 0)
            for chunk in try chunks()[next...] { try writer.append(chunk) }
            _ = try writer.finish()
            #expect(disk.contents(of: "/b.kbk") == (try whole()))
        }
    }
}

@Suite("What a backup that stopped half-way does next")
struct ResumePolicyTests {
    @Test("it asks again, ever later, and gives up")
    func failures() {
        var policy = ResumePolicy(endpointCount: 1)
        policy.began()
        var pauses: [Duration] = []
        while case .again(let pause) = policy.failed(canGoOn: true) { pauses.append(pause) }
        #expect(pauses.count == ResumePolicy.failuresMax)
        #expect(pauses.first == .milliseconds(250) && pauses.last == .seconds(8))
        #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $0 <= $1 })
        // Whatever came in between, it has not failed so often.
        policy.progressed()
        #expect(policy.failed(canGoOn: true) == .again(after: .milliseconds(250)))
    }

    @Test("where nothing is kept to go on with, the whole is asked for a few times only")
    func wholes() {
        var policy = ResumePolicy(endpointCount: 3)
        for _ in 1..<ResumePolicy.beginsMax {
            policy.began()
            policy.progressed()
            #expect(policy.failed(canGoOn: false) == .again(after: .milliseconds(250)))
        }
        policy.began()
        policy.progressed()
        #expect(policy.failed(canGoOn: false) == .giveUp)
    }

    @Test("every member is asked for the rest before the whole is asked for")
    func gone() {
        var policy = ResumePolicy(endpointCount: 3)
        policy.began()
        #expect(policy.isGone(at: "a") == .again(after: .zero))
        #expect(policy.isGone(at: "b") == .again(after: .zero))
        #expect(policy.isGone(at: "c") == .anew)
    }

    @Test("the member that sent the beginning is waited for, and not for ever")
    func waits() {
        var policy = ResumePolicy(endpointCount: 2)
        policy.began()
        #expect(policy.isGone(at: "a") == .again(after: .zero))
        for _ in 0..<ResumePolicy.failuresWithoutMax {
            let next = policy.isGone(at: "a")
            guard case .again(let pause) = next else {
                return #expect(Bool(false), "\(next)")
            }
            #expect(pause > .zero)
        }
        #expect(policy.isGone(at: "a") == .anew)
        policy.began()
        policy.began()
        #expect(policy.isGone(at: "a") == .again(after: .zero))
        #expect(policy.isGone(at: "b") == .giveUp)
    }
}
