internal import EtcdSnapshot
package import Primitives
internal import Replication
package import StateMachine
package import Storage

/// A state that was read whole out of a file, and where it is from.
package struct BackupState {
    package enum Origin: Equatable, Sendable {
        case backup(BackupSummary)
        /// etcd's snapshot, or its `db`.
        case etcd(hasDigest: Bool)
        /// A member's own directory, up to an entry of this term.
        case member(NodeIdentity, through: LogIndex, term: Term)
        /// An archive's base, and its log up to an entry.
        case archive(base: BackupSummary, through: LogIndex)
    }

    package let path: String
    package let store: Store
    package let origin: Origin
    /// What the file had and the store has not, in sentences for people.
    package var notices: [String] = []

    package init(path: String, store: Store, origin: Origin) {
        self.path = path
        self.store = store
        self.origin = origin
    }

    /// Of which cluster it was; nil where the file does not say.
    package var clusterID: ClusterID? {
        switch origin {
        case .backup(let summary), .archive(let summary, _): summary.clusterID
        case .member(let identity, _, _): identity.clusterID
        case .etcd: nil
        }
    }

    /// Reads `path` whole, whatever it is: a backup, a snapshot of etcd's, or an archive.
    ///
    /// Nothing is believed before the last byte was checked. Memory: the state, as a member has it.
    /// - Parameters:
    ///   - cut: of an archive, up to where.
    ///   - progress: is given how much was read, from 0 to 1.
    /// - Throws: ``BackupError/outsideArchive(path:reason:)`` where there is no such moment.
    package static func load(
        _ path: String, cut: ArchiveCut = .end, fileSystem: any FileSystem,
        progress: (Double) -> Void = { _ in }
    ) throws(BackupError) -> BackupState {
        let kind = try FileKind.of(path, fileSystem: fileSystem)
        if kind != .archive, cut != .end {
            throw .outsideArchive(
                path: path,
                reason: "it is one backup, of one moment; `keelson backup follow` makes archives")
        }
        switch kind {
        case .archive:
            var replay = ArchiveReplay(try Archive(path, fileSystem: fileSystem), cut)
            return try replay.run(progress)
        case .backup: return try loadBackup(path, fileSystem: fileSystem, progress: progress)
        case .etcd:
            let file: BoltDiskFile
            do throws(BoltFileError) { file = try BoltDiskFile(path: path) } catch {
                throw .etcd(path: path, error)
            }
            return try load(etcd: file, path: path)
        }
    }

    private static func loadBackup(
        _ path: String, fileSystem: any FileSystem, progress: (Double) -> Void
    ) throws(BackupError) -> BackupState {
        var reader = try BackupReader(path, fileSystem: fileSystem)
        var loader = StoreLoader()
        // Whether the file is damaged says more than what that does to its state.
        var fault: StoreLoadError?
        while let rows = try reader.next() {
            progress(reader.progress)
            do throws(StoreLoadError) {
                if fault == nil { for row in rows { try loader.add(row) } }
            } catch { fault = error }
        }
        do throws(StoreLoadError) {
            if let fault { throw fault }
            let store = try loader.finish()
            guard let summary = reader.summary, store.appliedIndex == summary.index else {
                throw .missingState
            }
            return BackupState(path: path, store: store, origin: .backup(summary))
        } catch { throw .notAState(path: path, error) }
    }
}

/// What kind of file a backup may be.
package enum FileKind: Equatable, Sendable {
    case backup
    case etcd
    /// A directory.
    case archive

    /// bbolt's magic number, behind the head of the first page.
    private static let boltMagic: [UInt8] = [0xED, 0xDA, 0x0C, 0xED]
    private static let boltMagicOffset = 16

    /// Looks at the first bytes only.
    /// - Throws: ``BackupError/foreign(path:)``.
    package static func of(
        _ path: String, fileSystem: any FileSystem
    ) throws(BackupError) -> FileKind {
        let head = try storing { () throws(StorageError) -> [UInt8]? in
            switch try fileSystem.kind(of: path) {
            case .missing: throw .notFound(path: path)
            case .directory: return nil
            case .other: return []
            case .file, .symbolicLink: return try fileSystem.open(path, .read).read(32, at: 0)
            }
        }
        guard let head else { return .archive }
        if head.starts(with: BackupFormat.magic) { return .backup }
        let bolt = head.dropFirst(boltMagicOffset).prefix(boltMagic.count)
        if Array(bolt) == boltMagic { return .etcd }
        throw .foreign(path: path)
    }
}
