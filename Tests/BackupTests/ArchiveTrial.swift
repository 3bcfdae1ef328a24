import Backup
import Primitives
import StateMachine
import Storage
import Testing

/// A store that is written to, its history, and an archive of it on a disk in memory.
struct ArchiveTrial {
    let disk: MemoryFileSystem
    let source = BackupFixture.Source()

    /// What the store was after each entry: revision, clock, and what a client saw.
    final class History {
        var states: [(index: LogIndex, revision: Revision, clock: UInt64, lines: [String])] = []
        func note(_ store: Store) {
            states.append(
                (store.appliedIndex, store.revision, store.clock, BackupFixture.lines(store)))
        }
    }

    let history = History()

    init(seed: UInt64 = 5) { disk = MemoryFileSystem(seed: seed) }

    func open() throws -> ArchiveWriter {
        try ArchiveWriter("/archive", fileSystem: disk)
    }

    /// As the follower does: the log behind a base begins a file.
    func takeBase(_ writer: ArchiveWriter) throws {
        writer.beginFile()
        let summary = try BackupFixture.write(source.store, to: writer.incomingPath, disk)
        try writer.adopt(summary)
    }

    func write(_ count: Int) {
        for _ in 0..<count {
            let number = source.store.appliedIndex.rawValue
            switch number % 7 {
            case 3: source.delete("k\(number % 20)")
            case 5: source.grant(Int64(number), seconds: 60)
            default: source.put("k\(number % 20)", "v\(number)")
            }
            history.note(source.store)
        }
    }

    func archive(_ writer: ArchiveWriter, batch: Int = 5) throws {
        var rest = source.entries.filter { $0.index > writer.lastIndex }[...]
        while !rest.isEmpty {
            let entries = Array(rest.prefix(batch))
            rest = rest.dropFirst(batch)
            let clock = entries.compactMap { ArchiveClock.clock(of: $0) }.max() ?? 0
            try writer.append(entries, clock: clock, archivedAt: clock + 3)
        }
    }

    func load(_ cut: ArchiveCut) throws -> BackupState {
        try BackupState.load("/archive", cut: cut, fileSystem: disk)
    }
}
