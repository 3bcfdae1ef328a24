package import Primitives
package import Storage

/// What reading all of an archive found, not only what its newest state is made of.
package struct ArchiveSurvey: Sendable {
    /// Entries that no file holds, between the oldest base and the end: moments there cannot be
    /// restored.
    package struct Gap: Equatable, Sendable {
        package var first: LogIndex
        package var last: LogIndex
    }

    /// What of a file cannot be read, and is not made up for by another.
    package var faults: [BackupError] = []
    package var gaps: [Gap] = []
    package var entryCount: UInt64 = 0
}

extension Archive {
    /// Whether the directory is an archive, and not a server's or anything else.
    package static func isThere(
        _ directory: String, fileSystem: any FileSystem
    ) throws(BackupError) -> Bool {
        do throws(BackupError) {
            _ = try Archive(directory, fileSystem: fileSystem)
            return true
        } catch {
            if case .noArchive = error { return false }
            throw error
        }
    }

    /// Calls `body` with every entry that can be read, in order and each once, until it says false.
    package func forEachEntry(_ body: (LogEntry) -> Bool) throws(BackupError) {
        var last = LogIndex.zero
        var isDone = false
        for log in logs where !isDone {
            _ = try Self.fault { () throws(BackupError) in
                var reader = try ArchiveLogReader(log.path, fileSystem: fileSystem)
                while !isDone, let batch = try reader.nextBatch() {
                    for entry in batch.entries where entry.index > last && !isDone {
                        last = entry.index
                        isDone = !body(entry)
                    }
                }
            }
        }
    }

    /// Reads every base and every file of the log, and checks all of them.
    ///
    /// Memory: one block. Cost: one pass over the directory.
    /// - Parameter progress: is given how much was read, from 0 to 1.
    /// - Throws: the disk's errors only; what is damaged is in the survey.
    package func survey(
        _ progress: (Double) -> Void = { _ in }
    ) throws(BackupError) -> ArchiveSurvey {
        var survey = ArchiveSurvey()
        let total = (bases.map(\.byteCount) + logs.map(\.byteCount)).reduce(0, +)
        var read = 0
        for base in bases {
            if let fault = try Self.fault({ () throws(BackupError) in
                var reader = try BackupReader(base.path, fileSystem: fileSystem)
                while try reader.next() != nil {}
            }) {
                survey.faults.append(fault)
            }
            read += base.byteCount
            progress(Double(read) / Double(max(1, total)))
        }
        // What a base holds needs no log.
        var covered = bases.first?.index ?? .zero
        for (position, log) in logs.enumerated() {
            let follower = logs.dropFirst(position + 1).first
            if log.first > covered.next {
                survey.gaps.append(.init(first: covered.next, last: log.first.previous))
            }
            let last = try look(through: log, before: follower, &survey)
            covered = max(covered, last)
            read += log.byteCount
            progress(Double(read) / Double(max(1, total)))
        }
        return survey
    }

    /// The last entry of the file that can be read.
    private func look(
        through log: LogFile, before follower: LogFile?, _ survey: inout ArchiveSurvey
    ) throws(BackupError) -> LogIndex {
        var last = log.first.previous
        var count: UInt64 = 0
        let fault = try Self.fault { () throws(BackupError) in
            var reader = try ArchiveLogReader(log.path, fileSystem: fileSystem)
            while let batch = try reader.nextBatch() {
                count += UInt64(batch.entries.count)
                last = reader.next.previous
            }
        }
        survey.entryCount += count
        guard let fault else { return last }
        let isMadeUpFor = follower.map { $0.first <= last.next } ?? fault.isCutShort
        if !isMadeUpFor { survey.faults.append(fault) }
        return last
    }

    /// The damage that `body` finds.
    private static func fault(
        _ body: () throws(BackupError) -> Void
    ) throws(BackupError) -> BackupError? {
        do throws(BackupError) {
            try body()
            return nil
        } catch {
            guard error.isDamage else { throw error }
            return error
        }
    }
}

extension BackupError {
    /// Whether the file merely ends too early.
    var isCutShort: Bool {
        if case .truncated = self { true } else { false }
    }
}
