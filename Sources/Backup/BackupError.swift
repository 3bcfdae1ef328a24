package import EtcdSnapshot
package import Primitives
package import StateMachine
package import Storage

/// Why a backup cannot be made, believed or restored. ``description`` says what to do about it.
package enum BackupError: Error, Equatable, Sendable {
    /// The disk, or what is on it, refused.
    case storage(StorageError)
    /// The file is neither a backup of Keelson's nor a snapshot of etcd's.
    case foreign(path: String)
    /// A newer version of Keelson wrote the file.
    case newerFormat(path: String, found: UInt32, supported: UInt32)
    /// The file ends before its end; `offset` is how far it goes, in bytes.
    case truncated(path: String, offset: Int)
    /// Bytes are not those that were written. `block` counts from zero; -1: outside of blocks.
    case damaged(path: String, block: Int, offset: Int, reason: String)
    /// Every checksum holds, and what is in it is no state.
    case notAState(path: String, StoreLoadError)
    case etcd(path: String, BoltFileError)
    /// What etcd holds cannot be held here.
    case notImportable(path: String, reason: String)
    case notRestorable(path: String, RestorationError)
    /// It is encrypted, and no key was named.
    case sealed(path: String)
    /// A key was named, and it is not encrypted.
    case notSealed(path: String)
    case otherKey(path: String)
    /// The directory holds no backup to begin with.
    case noArchive(path: String)
    /// There is log in the directory, and no backup before it.
    case noBase(path: String)
    /// The archive does not cover the moment that was asked for.
    case outsideArchive(path: String, reason: String)
    /// The archive's log cannot be read to its end; up to `revision` it can.
    case brokenArchive(path: String, reason: String, revision: Revision)
    /// An entry that no archive's batch can hold.
    case entryTooLarge(path: String, byteCount: Int)
    case otherCluster(path: String, expected: ClusterID, found: ClusterID)
    /// An entry that only a newer build knows.
    case newerEntry(path: String, index: LogIndex)
    /// A server's data directory that nothing can be made of.
    case noMember(path: String, reason: String)
    /// The target holds something already.
    case targetNotEmpty(path: String, holds: String)
    /// The members that were named cannot be a cluster.
    case badMembers(reason: String)

    /// The process's exit status (DESIGN §12).
    package var exitStatus: Int32 {
        switch self {
        case .storage(let error): error.exitStatus
        case .etcd(_, .unreadable): 74
        case .targetNotEmpty, .badMembers, .notRestorable(_, .stepTooSmall), .outsideArchive,
            .sealed, .notSealed, .otherKey:
            64
        case .noMember, .noArchive, .noBase, .brokenArchive, .entryTooLarge, .otherCluster,
            .newerEntry, .foreign, .newerFormat, .truncated, .damaged, .notAState, .etcd,
            .notImportable, .notRestorable:
            65
        }
    }
}

extension BackupError {
    /// Whether it is the key that is wrong, or missing, or one too many.
    package var isAboutKey: Bool {
        switch self {
        case .sealed, .notSealed, .otherKey: true
        default: false
        }
    }

    /// Whether it is these bytes that are wrong, so that others may do in their place.
    var isDamage: Bool {
        switch self {
        case .truncated, .damaged, .notAState, .foreign: true
        case .storage(let error): error.exitStatus == 65
        case .newerFormat, .etcd, .notImportable, .notRestorable, .noArchive, .noBase,
            .outsideArchive, .brokenArchive, .entryTooLarge, .otherCluster, .newerEntry, .noMember,
            .targetNotEmpty, .badMembers, .sealed, .notSealed, .otherKey:
            false
        }
    }
}

extension BackupError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .storage(let error): return "\(error)"
        case .foreign(let path):
            return "\(path) is neither a backup of keelson nor a snapshot of etcd."
                + " Name a file that `keelson backup take` or `etcdctl snapshot save` wrote"
        case .newerFormat(let path, let found, let supported):
            return "\(path) has backup format \(found), this version of keelson reads up to"
                + " \(supported). Use the version that wrote it, or a later one"
        case .truncated(let path, let offset):
            return "\(path) ends after \(offset) bytes, before its trailer: it was cut off."
                + " Copy it anew from where it was taken, or use another backup"
        case .damaged(let path, let block, let offset, let reason):
            let place = block < 0 ? "" : ", in block \(block)"
            return "\(path) is damaged at offset \(offset)\(place): \(reason)."
                + " Copy it anew from where it was taken, or use another backup"
        case .notAState(let path, .unknownFormat(let format)):
            return "\(path) holds rows of format \(format), which a newer version of keelson wrote."
                + " Use that version, or a later one"
        case .notAState(let path, let error):
            return "\(path) is whole and holds no state (\(error)): it was not made by keelson,"
                + " or by one with a fault. Use another backup"
        case .etcd(let path, let error):
            return "\(path) is no whole snapshot of etcd: \(error). Save another"
        case .notImportable(let path, let reason): return "\(path) cannot be taken: \(reason)"
        case .notRestorable(let path, .numbersTooHigh(let revision, let index, let term)):
            return "\(path) is at revision \(revision), index \(index), term \(term): no cluster"
                + " reaches such numbers by itself, and a restored one has to go beyond them"
        case .notRestorable(_, .stepTooSmall(let step)):
            return "a step of \(step) revisions is too small: whoever met the old cluster after"
                + " the backup may know higher ones. Take at least"
                + " \(RestorationStep.revisionsMin)"
        case .sealed(let path), .notSealed(let path), .otherKey(let path):
            return "\(path) \(keyProblem)"
        case .noArchive(let path):
            return
                "\(path) holds no backup: it is no archive of `keelson backup follow`, or one that"
                + " has only begun"
        case .noBase(let path):
            return
                "\(path) holds log of `keelson backup follow` and no backup before it. Bring the"
                + " base-*.kbk that belong to it back, or name another directory"
        case .brokenArchive(let path, let reason, let revision):
            return
                "\(path) cannot be read to its end: \(reason). Restore what is before that with"
                + " --to-revision \(revision); where the cluster lives, `keelson backup follow`"
                + " fetches the rest again"
        case .entryTooLarge(let path, let byteCount):
            return "an entry of \(byteCount) bytes is too large for the archive \(path)"
        case .outsideArchive(let path, let reason):
            return "\(path) does not cover that moment: \(reason)"
        case .otherCluster(let path, let expected, let found):
            return
                "\(path) is of cluster \(found), not of \(expected). Give each cluster, a restored"
                + " one too, a directory of its own"
        case .newerEntry(let path, let index):
            return
                "\(path) holds an entry, at index \(index), that a newer version of keelson wrote."
                + " Use that version, or a later one"
        case .noMember(let path, let reason): return "\(path) cannot be used: \(reason)"
        case .targetNotEmpty(let path, let found):
            return "\(path) holds \(found) already, and nothing is restored over anything."
                + " Name a directory that is empty or not there; one that an interrupted restore"
                + " left may be removed"
        case .badMembers(let reason): return reason
        }
    }

    /// What is wrong with the key that was given, or with none.
    private var keyProblem: String {
        if case .sealed = self {
            return "is encrypted. Name the file with its key: --key-file"
        }
        if case .otherKey = self {
            return "is encrypted with another key. Name the one that it was made with"
        }
        return "is not encrypted, and may be anybody's. Leave --key-file away if you know where it"
            + " is from"
    }
}

/// Runs what throws the disk's error, as one that throws ours.
func storing<Result>(
    _ body: () throws(StorageError) -> Result
) throws(BackupError) -> Result {
    do throws(StorageError) { return try body() } catch { throw .storage(error) }
}
