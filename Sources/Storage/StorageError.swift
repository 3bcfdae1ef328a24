package import Primitives

/// Why the disk did not do what was asked, or why what is on it cannot be used.
///
/// Every case says what is wrong and where; ``description`` adds what to do about it.
package enum StorageError: Error, Equatable, Sendable {
    /// A call to the operating system failed. `offset` is in bytes, -1 where none applies.
    case io(operation: String, path: String, offset: Int, errno: Int32)
    /// A sync failed. What was written since the last good sync may be gone even if it can be read:
    /// the file is not used again and the process that saw this stops.
    case syncFailed(path: String, errno: Int32)
    /// The disk, or the quota of its owner, is full.
    case outOfSpace(operation: String, path: String, bytesNeeded: Int)
    case notFound(path: String)
    case alreadyExists(path: String)
    /// Another process holds the directory's lock.
    case locked(path: String)
    /// The directory's permissions or kind let others change it.
    case unsafeDirectory(path: String, reason: String)
    /// The file belongs to another cluster or member.
    case foreign(path: String, field: String, expected: String, found: String)
    /// A newer version of Keelson wrote the file.
    case newerFormat(path: String, found: UInt32, supported: UInt32)
    /// Bytes that no crash explains, in a file that has no second copy. `offset` is in bytes.
    case corrupt(path: String, offset: Int, reason: String)
    /// Log entries `first ... last` were durable and are damaged; `offset` is where, in bytes.
    case rot(path: String, offset: Int, first: LogIndex, last: LogIndex)
    /// The log holds `first ... last`; the index asked for is not among them.
    case notInLog(index: LogIndex, first: LogIndex, last: LogIndex)
    case entryTooLarge(index: LogIndex, byteCount: Int, limit: Int)
    /// More was to be stored than the file's fixed room holds.
    case tooLarge(path: String, byteCount: Int, limit: Int)
    /// SQLite refused; `code` is its extended result code.
    case database(path: String, code: Int32, message: String)
    /// A checkpoint's file holds what was not written. The checkpoint before it is used.
    case rottenCheckpoint(path: String, reason: String)
    /// A snapshot stream broke its own rules.
    case invalidSnapshot(SnapshotFault)

    /// Whether it passes by itself once somebody makes room.
    package var isOutOfSpace: Bool {
        if case .outOfSpace = self { return true }
        return false
    }

    /// The status with which a process that cannot go on exits (DESIGN §12): 65 for data that
    /// cannot be trusted, 74 for input and output.
    package var exitStatus: Int32 {
        switch self {
        case .io, .syncFailed, .outOfSpace, .notFound, .alreadyExists, .locked: 74
        case .notInLog, .entryTooLarge, .tooLarge: 74
        case .unsafeDirectory, .foreign, .newerFormat, .corrupt, .rot, .rottenCheckpoint,
            .invalidSnapshot:
            65
        case .database(_, let code, _):
            // SQLITE_CORRUPT and SQLITE_NOTADB: the low byte is the primary code.
            (code & 0xFF == 11 || code & 0xFF == 26) ? 65 : 74
        }
    }
}

extension StorageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .io(let operation, let path, let offset, let number):
            let place = offset < 0 ? "" : " at offset \(offset)"
            return "\(operation) of \(path)\(place) failed: \(Self.text(ofErrno: number))."
                + " Check the disk and the permissions, then start again"
        case .syncFailed(let path, let number):
            return
                "sync of \(path) failed: \(Self.text(ofErrno: number)). What was written since the"
                + " last sync is not trusted; replace the disk if this returns, then start again"
        case .outOfSpace(let operation, let path, let bytes):
            return "\(operation) of \(path) needs \(bytes) bytes and the disk is full."
                + " Free space on it"
        case .notFound(let path):
            return "\(path) does not exist. Check --data-dir"
        case .alreadyExists(let path):
            return "\(path) exists already and is not overwritten. Move it away or use another path"
        case .locked(let path):
            return
                "\(path) is locked by another process. Stop the node that uses this data directory,"
                + " or give this one a directory of its own"
        case .unsafeDirectory, .foreign, .newerFormat, .corrupt, .rot: return untrustedText
        case .notInLog(let index, let first, let last):
            return "the log holds entries \(first) to \(last), not \(index)"
        case .entryTooLarge(let index, let count, let limit):
            return "log entry \(index) has \(count) bytes, more than the \(limit) that one segment"
                + " takes. Lower --max-request-bytes"
        case .tooLarge(let path, let count, let limit):
            return "\(path) has room for \(limit) bytes, \(count) were to be stored"
        case .database(let path, let code, let message):
            return "SQLite reports error \(code) for \(path): \(message)"
        case .rottenCheckpoint(let path, let reason):
            return "checkpoint \(path) is damaged: \(reason)."
                + " The one before it, or another member, replaces it"
        case .invalidSnapshot(let fault):
            return "snapshot refused: \(fault). The sender starts it again"
        }
    }

    private var untrustedText: String {
        switch self {
        case .unsafeDirectory(let path, let reason):
            return "\(path) is not safe as a data directory: \(reason)."
                + " Make it a real directory of the user that runs this (chown), which only that"
                + " user may write (chmod 700)"
        case .foreign(let path, let field, let expected, let found):
            return "\(path) belongs to \(field) \(found), this node is \(expected)."
                + " Check --data-dir and --name; nothing in it was changed"
        case .newerFormat(let path, let found, let supported):
            return "\(path) has format version \(found), this version of keelson reads up to"
                + " \(supported). Start the version that wrote it; nothing in it was changed"
        case .corrupt(let path, let offset, let reason):
            return "\(path) is damaged at offset \(offset): \(reason). Restore the directory from a"
                + " backup, or remove the member and add it anew with an empty directory"
        case .rot(let path, let offset, let first, let last):
            return "log entries \(first) to \(last) in \(path) are damaged at offset \(offset)."
                + " They were durable, so they are not cut off; another member has them"
        case .io, .syncFailed, .outOfSpace, .notFound, .alreadyExists, .locked, .notInLog,
            .entryTooLarge, .tooLarge, .database, .rottenCheckpoint, .invalidSnapshot:
            return ""
        }
    }
}
