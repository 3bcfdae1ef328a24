import Primitives
import RaftCore
import Replication
import Storage
import Testing

@Suite("A start: log and checkpoint put together (DESIGN §5)")
struct NodeStorageTests {
    /// A log of entries 1 to 6, and a checkpoint.
    private static func disk(
        entries: UInt64 = 6, checkpoint index: UInt64? = nil, term: UInt64 = 1
    ) throws -> Disk {
        let disk = Disk()
        var storage = try disk.open()
        try Disk.append(Disk.entries(1...entries), to: &storage)
        if let index { try Disk.checkpoint(index, term: term, in: storage) }
        return disk
    }

    private static func starts(_ storage: NodeStorage) {
        var settings = RaftSettings(id: Disk.member, seed: 1)
        settings.firstElectionTicks = 20
        _ = RaftCore(settings: settings, restored: storage.restored)
    }

    @Test("a lost tail is not forgotten because a checkpoint reaches past what is left of it")
    func lostTailStaysRotten() throws {
        let disk = try Self.disk(checkpoint: 4)
        disk.rot(entry: 3, header: true)
        for number in 4...6 { disk.rot(entry: number, header: true) }
        for _ in 0..<3 {
            let storage = try disk.open()
            #expect(storage.log.rotten.map(\.first) == [LogIndex(3)])
            #expect(storage.log.rotten.map(\.last) == [nil])
            #expect(storage.restored.lastIndex == LogIndex(4))
            Self.starts(storage)
        }
    }

    @Test("a log that merely ends below the checkpoint goes on behind it")
    func shortLog() throws {
        let disk = try Self.disk(entries: 3, checkpoint: 9)
        var storage = try disk.open()
        #expect(storage.log.rotten.isEmpty)
        #expect(storage.log.baseIndex == LogIndex(9) && storage.log.lastIndex == LogIndex(9))
        try Disk.append([Disk.entry(10)], to: &storage)
        #expect(try disk.open().restored.lastIndex == LogIndex(10))
    }

    @Test("known damage below the checkpoint does not keep a short log from going on")
    func shortRottenLog() throws {
        let disk = try Self.disk(entries: 6, checkpoint: 9)
        disk.rot(entry: 3)
        let storage = try disk.open()
        #expect(storage.log.rotten.isEmpty)
        #expect(storage.restored.lastIndex == LogIndex(9))
    }

    @Test("a stale tail that reaches past an installed snapshot goes")
    func staleTail() throws {
        let disk = try Self.disk(checkpoint: 4, term: 2)
        let storage = try disk.open()
        Self.starts(storage)
        #expect(storage.restored.lastIndex == LogIndex(4))
        #expect(storage.log.lastIndex == LogIndex(4))
        #expect(try disk.open().restored.lastIndex == LogIndex(4))
    }

    @Test("a tail that matches an installed snapshot stays")
    func matchingTail() throws {
        let storage = try Self.disk(checkpoint: 4).open()
        #expect(storage.restored.lastIndex == LogIndex(6))
        #expect(storage.restored.recentEntries == Disk.entries(5...6))
    }

    @Test("where rot covers the snapshot's index, a lower term behind it tells a stale tail")
    func staleTailBehindRot() throws {
        let disk = try Self.disk(checkpoint: 4, term: 2)
        disk.rot(entry: 4)
        let storage = try disk.open()
        Self.starts(storage)
        #expect(storage.log.rotten.isEmpty)
        #expect(storage.log.lastIndex == LogIndex(4))
    }

    @Test("a stale tail with damage behind the snapshot is left alone, and stays damaged")
    func staleRottenTail() throws {
        let disk = try Self.disk(checkpoint: 4, term: 2)
        disk.rot(entry: 5)
        for _ in 0..<2 {
            let storage = try disk.open()
            Self.starts(storage)
            #expect(storage.log.rotten.map(\.first) == [LogIndex(5)])
            #expect(storage.restored.lastIndex == LogIndex(4))
        }
    }

    @Test("damage that ends at or before the checkpoint mutes nobody, and what follows is read")
    func rotBelowCheckpoint() throws {
        let disk = try Self.disk(checkpoint: 4)
        disk.rot(entry: 2)
        disk.rot(entry: 4)
        var storage = try disk.open()
        #expect(storage.log.rotten.isEmpty)
        #expect(storage.restored.recentEntries == Disk.entries(5...6))
        try Disk.append([Disk.entry(7)], to: &storage)
        disk.fileSystem.crash(.drop)
        let again = try disk.open()
        #expect(again.restored.recentEntries == Disk.entries(5...7))
        #expect(throws: StorageError.self) {
            try again.log.read(from: LogIndex(4), through: LogIndex(6), bytesMax: .max)
        }
    }

    @Test("damage behind the checkpoint mutes, and the entries before it are read")
    func rotBehindCheckpoint() throws {
        let disk = try Self.disk(checkpoint: 3)
        disk.rot(entry: 2)
        disk.rot(entry: 5)
        let storage = try disk.open()
        #expect(storage.log.rotten.map(\.first) == [LogIndex(5)])
        #expect(storage.restored.recentEntries == [Disk.entry(4)])
    }

    @Test("a log that begins behind the checkpoint that is left has a gap, which mutes")
    func gap() throws {
        let disk = Disk()
        var storage = try disk.open()
        try Disk.append(Disk.entries(1...3), to: &storage)
        try Disk.checkpoint(3, term: 1, in: storage)
        try Disk.perform(
            Write(id: WriteID(2), startAfter: LogPosition(index: LogIndex(9), term: Term(1))),
            on: &storage)
        try Disk.append([Disk.entry(10)], to: &storage)
        storage = try disk.open()
        #expect(storage.log.rotten.map(\.first) == [LogIndex(4)])
        #expect(storage.log.rotten.map(\.last) == [LogIndex(9)])
        #expect(storage.restored.lastIndex == LogIndex(3))
        Self.starts(storage)
    }

    @Test("a checkpoint of a later term than the hard state's raises it, without a vote")
    func hardStateBehindCheckpoint() throws {
        let disk = try Self.disk(checkpoint: 9, term: 5)
        let storage = try disk.open()
        #expect(storage.restored.hardState == HardState(term: Term(5), votedFor: nil))
        Self.starts(storage)
        // It is durable before the node speaks in that term.
        disk.fileSystem.crash(.drop)
        let found = try HardStateFile.read(fileSystem: disk.fileSystem, directory: "/n1")
        #expect(found == HardState(term: Term(5), votedFor: nil))
    }

    @Test("a log with holes keeps a term, takes no entry and tells nobody of a write")
    func rottenWriter() throws {
        let disk = try Self.disk()
        disk.rot(entry: 5)
        var storage = try disk.open()
        let state = HardState(term: Term(8), votedFor: nil)
        let reports = try Disk.perform(
            Write(id: WriteID(1), hardState: state, entries: [Disk.entry(7, term: 8)]),
            on: &storage)
        #expect(reports.isEmpty)
        storage = try disk.open()
        #expect(storage.restored.hardState == state)
        #expect(storage.log.lastIndex == LogIndex(6))
    }

    @Test("a log with holes completes a term, and lets go only what promises nothing")
    func rottenWriterOfTerms() throws {
        let disk = try Self.disk()
        disk.rot(entry: 5)
        var storage = try disk.open()
        func envelope(_ answer: AppendEntriesResponse) -> Envelope {
            Envelope(
                to: NodeID(2),
                message: Message(term: Term(8), body: .appendEntriesResponse(answer)))
        }
        let lacks = envelope(
            .rejected(
                prevLogIndex: LogIndex(9),
                hint: LogPosition(index: LogIndex(4), term: Term(1))))
        var write = Write(
            id: WriteID(1), hardState: HardState(term: Term(8), votedFor: nil),
            thenSend: [envelope(.matched(LogIndex(6))), lacks])
        guard case .persisted(let done) = try Disk.perform(write, on: &storage).first else {
            Issue.record("not completed")
            return
        }
        #expect(done.map(\.thenSend) == [[lacks]])
        #expect(
            try Disk.perform(Write(id: WriteID(2), entries: [Disk.entry(7)]), on: &storage)
                .isEmpty)
        // Its completion would be that of the entries.
        write.id = WriteID(3)
        #expect(try Disk.perform(write, on: &storage).isEmpty)
    }

    @Test("what cannot be read for a follower is reported as nothing; for this node it is an error")
    func unreadable() throws {
        let disk = try Self.disk()
        var storage = try disk.open()
        disk.rot(entry: 3)
        func load(_ first: UInt64, _ purpose: LoadPurpose) throws -> [LogReport] {
            try Disk.perform(
                .load(
                    first: LogIndex(first), last: LogIndex(20), bytesMax: 1, purpose),
                on: &storage)
        }
        for first in [3, 9] as [UInt64] {
            guard case .loaded(_, let entries, .replication) = try load(first, .replication).first
            else {
                Issue.record("nothing was reported")
                return
            }
            #expect(entries.isEmpty)
        }
        #expect(try load(4, .replication).count == 1)
        #expect(throws: StorageError.self) { try load(3, .applying) }
    }

    @Test("a snapshot in the place of all that the log held heals it; an earlier one does not")
    func heals() throws {
        let disk = try Self.disk()
        disk.rot(entry: 3)
        var storage = try disk.open()
        func snapshot(_ index: UInt64) -> Write {
            Write(
                id: WriteID(index),
                startAfter: LogPosition(index: LogIndex(index), term: Term(1)))
        }
        #expect(try Disk.perform(snapshot(5), on: &storage).isEmpty)
        #expect(storage.log.lastIndex == LogIndex(6))
        let reports = try Disk.perform(snapshot(6), on: &storage)
        guard case .healed = reports.first, case .persisted = reports.last else {
            Issue.record("\(reports)")
            return
        }
        #expect(storage.log.rotten.isEmpty && storage.log.baseIndex == LogIndex(6))
        #expect(
            !(try Disk.perform(Write(id: WriteID(9), entries: [Disk.entry(7)]), on: &storage))
                .isEmpty)
    }

    @Test("a lost tail is healed by a snapshot that reaches as far as a leader says, by no other")
    func lostTail() throws {
        let disk = try Self.disk()
        disk.rot(entry: 6, header: true)
        var storage = try disk.open()
        func snapshot(_ index: UInt64) -> Write {
            Write(
                id: WriteID(index),
                startAfter: LogPosition(index: LogIndex(index), term: Term(1)))
        }
        #expect(try Disk.perform(.heals(from: LogIndex(90)), on: &storage).isEmpty)
        #expect(try Disk.perform(snapshot(89), on: &storage).isEmpty)
        let reports = try Disk.perform(snapshot(90), on: &storage)
        guard case .healed = reports.first else {
            Issue.record("\(reports)")
            return
        }
        #expect(storage.log.rotten.isEmpty)
    }

    @Test("a snapshot that came before the word of how far it must reach heals when that comes")
    func lateWord() throws {
        let disk = try Self.disk()
        disk.rot(entry: 6, header: true)
        var storage = try disk.open()
        let position = LogPosition(index: LogIndex(90), term: Term(1))
        let first = HardState(term: Term(3), votedFor: nil)
        let snapshot = Write(id: WriteID(1), hardState: first, startAfter: position)
        #expect(try Disk.perform(snapshot, on: &storage).isEmpty)
        let later = HardState(term: Term(5), votedFor: nil)
        for write in [
            Write(id: WriteID(2), entries: [Disk.entry(91), Disk.entry(92)]),
            Write(id: WriteID(3), hardState: later),
            Write(id: WriteID(4), truncateFrom: LogIndex(92), entries: [Disk.entry(92)]),
        ] {
            #expect(try Disk.perform(write, on: &storage).isEmpty)
        }
        #expect(try Disk.perform(.heals(from: LogIndex(91)), on: &storage).isEmpty)
        let reports = try Disk.perform(.heals(from: LogIndex(90)), on: &storage)
        guard case .healed = reports.first, case .persisted(let writes) = reports.last else {
            Issue.record("\(reports)")
            return
        }
        #expect(writes.map(\.id) == (1...4).map { WriteID($0) })
        #expect(storage.log.rotten.isEmpty && storage.log.baseIndex == LogIndex(90))
        let next = Write(id: WriteID(5), entries: [Disk.entry(93)])
        #expect(!(try Disk.perform(next, on: &storage)).isEmpty)
        // The term that came meanwhile stays, and so do the entries.
        let restored = try disk.open()
        #expect(restored.restored.hardState == later)
        #expect(restored.log.lastIndex == LogIndex(93))
    }

    @Test("a checkpoint that reaches as far as the leader says heals as a snapshot does")
    func checkpointHeals() throws {
        let disk = try Self.disk(checkpoint: 4)
        for number in 3...6 { disk.rot(entry: number, header: true) }
        var storage = try disk.open()
        #expect(storage.restored.lastIndex == LogIndex(4) && !storage.log.rotten.isEmpty)
        #expect(try Disk.perform(.heals(from: LogIndex(5)), on: &storage).isEmpty)
        guard case .healed = try Disk.perform(.heals(from: LogIndex(4)), on: &storage).first else {
            Issue.record("not healed")
            return
        }
        #expect(storage.log.rotten.isEmpty && storage.log.lastIndex == LogIndex(4))
        try Disk.append([Disk.entry(5)], to: &storage)
        #expect(try disk.open().restored.lastIndex == LogIndex(5))
    }

    @Test("a checkpoint does not heal a log that goes on behind it")
    func checkpointBelowLog() throws {
        let disk = try Self.disk(checkpoint: 2)
        for number in 4...6 { disk.rot(entry: number, header: true) }
        var storage = try disk.open()
        #expect(storage.restored.lastIndex == LogIndex(3))
        #expect(try Disk.perform(.heals(from: LogIndex(2)), on: &storage).isEmpty)
        #expect(!storage.log.rotten.isEmpty)
    }

    @Test("entries that were filled in part before the disk was full are lost, and so is the rest")
    func filledInPart() throws {
        var partly = 0
        for room in 1...24 {
            let disk = try Self.disk(entries: 24)
            disk.rot(entry: 2)
            var storage = try disk.open()
            #expect(storage.fillable.map(\.first) == [LogIndex(2)])
            disk.fileSystem.setCapacity(disk.usedBytes + 4096 * room)
            let filled = try Disk.perform(.fill([Disk.entry(2)]), on: &storage)
            guard storage.writer.shortage != nil else {
                #expect(!filled.isEmpty)
                continue
            }
            #expect(filled.isEmpty)
            disk.fileSystem.setCapacity(.max)
            if storage.log.lastIndex == LogIndex(24) {
                #expect(!(try Disk.perform(.retry, on: &storage)).isEmpty)
                continue
            }
            partly += 1
            #expect(try Disk.perform(.retry, on: &storage).isEmpty)
            // It reaches past what is left of the log, and not as far as what was in it.
            let short = Write(
                id: WriteID(1), startAfter: LogPosition(index: LogIndex(23), term: Term(1)))
            #expect(try Disk.perform(short, on: &storage).isEmpty)
            let reports = try Disk.perform(.heals(from: LogIndex(23)), on: &storage)
            guard case .healed = reports.first else {
                Issue.record("\(reports)")
                return
            }
        }
        #expect(partly > 0)
    }

    @Test("a lost tail is healed by no snapshot without that word: its end is not known")
    func lostTailIsNotHealed() throws {
        let disk = try Self.disk()
        disk.rot(entry: 6, header: true)
        var storage = try disk.open()
        let position = LogPosition(index: LogIndex(90), term: Term(1))
        #expect(
            try Disk.perform(Write(id: WriteID(1), startAfter: position), on: &storage).isEmpty)
        #expect(!storage.log.rotten.isEmpty)
    }
}
