package import AgentLogic
internal import Glibc

/// Who an agent is, from its work directory: the number that was drawn for the directory, and the
/// id that the cluster has given it.
///
/// The number is the file `meta/directory`: 16 hexadecimal digits and a line feed. The cluster
/// refuses an id that comes with another number than it came with first. A directory that was
/// copied has its number too: nothing tells two copies apart. An operator who wants a new agent
/// empties the directory.
package struct AgentIdentity: Equatable, Sendable {
    /// Never zero.
    package var number: UInt64
    /// Nil: the cluster has not seen it.
    package var id: AgentID?

    /// Draws the number where there is none, durably.
    /// - Throws: ``AgentError/busy(path:)`` where another agent lives there,
    ///   ``AgentError/untrusted(path:why:)``, and I/O errors.
    package static func open(
        _ directory: WorkDirectory, store: AgentStore, drawn: UInt64
    ) throws(AgentError) -> AgentIdentity {
        let opened = try store.open(newID: try AgentID("new"))
        return AgentIdentity(
            number: try number(directory.meta + "/directory", drawn: drawn),
            id: opened.isNew ? nil : opened.mark.agentID)
    }

    private static func number(_ path: String, drawn: UInt64) throws(AgentError) -> UInt64 {
        if let bytes = try read(path) {
            let text = String(decoding: bytes, as: UTF8.self)
            guard bytes.count == 17, text.hasSuffix("\n"),
                let number = UInt64(text.dropLast(), radix: 16), number != 0
            else { throw .untrusted(path: path, why: "it has no number of 16 digits") }
            return number
        }
        let number = max(drawn, 1)
        let digits = String(number, radix: 16)
        try write(String(repeating: "0", count: 16 - digits.count) + digits + "\n", at: path)
        return number
    }

    private static func read(_ path: String) throws(AgentError) -> [UInt8]? {
        do {
            return try SystemCall.readFile(path, limit: 64)
        } catch .io(_, _, ENOENT) {
            return nil
        }
    }

    private static func write(_ text: String, at path: String) throws(AgentError) {
        let new = path + ".new"
        let descriptor = try SystemCall.open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        do {
            defer { close(descriptor) }
            try SystemCall.writeAll(descriptor, new, Array(text.utf8))
            // Not repeated after EINTR: a failed sync is final.
            if fsync(descriptor) != 0 {
                throw AgentError.io(operation: "sync", path: new, errno: errno)
            }
        }
        try SystemCall.check("rename", path) { rename(new, path) }
        try RecordFile.syncParent(of: path)
    }
}
