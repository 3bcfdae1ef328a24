package import AgentLogic
internal import Glibc
internal import Primitives

/// The agent's own durable state. One process at a time: it holds the work directory's lock.
package final class AgentStore: Sendable {
    package struct Opened: Sendable {
        package var mark: AgentMark
        /// No agent lived here before.
        package var isNew: Bool
        package var records: [TaskRecord]
        /// Records that cannot be read, by file name. Their runs are to be ended: nobody knows
        /// whose they are.
        package var damaged: [(name: String, error: AgentError)]
    }

    package let directory: WorkDirectory
    private let lock: Int32

    /// - Throws: ``AgentError/busy(path:)`` where another agent lives there.
    package init(_ directory: WorkDirectory) throws(AgentError) {
        self.directory = directory
        try directory.create()
        let path = directory.lockFile
        lock = try SystemCall.open(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        if flock(lock, LOCK_EX | LOCK_NB) != 0 {
            close(lock)
            throw .busy(path: path)
        }
    }

    deinit { close(lock) }

    /// - Parameter newID: the id of a new agent, used only where none has lived here.
    /// - Throws: ``AgentError/untrusted(path:why:)`` where there is a mark that cannot be read, or
    ///   runs without a mark: what was started is then unknown, and nothing may be guessed. An
    ///   operator who empties the work directory makes a new agent of it.
    package func open(newID: AgentID) throws(AgentError) -> Opened {
        let mark = try RecordFile.read(.mark, at: directory.markFile) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> AgentMark in
            try AgentMark(from: &reader)
        }
        let names = try SystemCall.names(in: directory.tasks).filter { !$0.hasSuffix(".new") }
        guard let mark else {
            guard names.isEmpty else {
                throw .untrusted(
                    path: directory.markFile,
                    why: "it is missing, and there are \(names.count) runs")
            }
            return Opened(mark: AgentMark(agentID: newID), isNew: true, records: [], damaged: [])
        }
        var opened = Opened(mark: mark, isNew: false, records: [], damaged: [])
        for name in names {
            do {
                if let record = try Self.readRecord(directory.tasks + "/" + name),
                    record.container.description == name
                {
                    opened.records.append(record)
                } else {
                    opened.damaged.append(
                        (name, .untrusted(path: name, why: "it is another run's record")))
                }
            } catch {
                opened.damaged.append((name, error))
            }
        }
        return opened
    }

    private static func readRecord(_ path: String) throws(AgentError) -> TaskRecord? {
        try RecordFile.read(.task, at: path) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> TaskRecord in
            try TaskRecord(from: &reader)
        }
    }

    /// Durable when it returns, in the order that ``StateWrite`` asks for.
    package func persist(_ write: StateWrite) throws(AgentError) {
        for record in write.records {
            try RecordFile.write(
                .task, record.encoded(), at: directory.taskFile(record.container))
        }
        if let mark = write.mark {
            try RecordFile.write(.mark, mark.encoded(), at: directory.markFile)
        }
        for container in write.removed { unlink(directory.taskFile(container)) }
        if !write.removed.isEmpty { try RecordFile.syncDirectory(directory.tasks) }
    }
}
