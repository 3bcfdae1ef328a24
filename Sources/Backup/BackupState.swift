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
        case .backup(let summary): summary.clusterID
        case .etcd: nil
        }
    }

    /// Reads `path` whole, whatever it is: a backup, or a snapshot of etcd's.
    ///
    /// Nothing is believed before the last byte was checked. Memory: the state, as a member has it.
    /// - Parameter progress: is given how much was read, from 0 to 1.
    package static func load(
        _ path: String, fileSystem: any FileSystem, progress: (Double) -> Void = { _ in }
    ) throws(BackupError) -> BackupState {
        switch try FileKind.of(path, fileSystem: fileSystem) {
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

    /// bbolt's magic number, behind the head of the first page.
    private static let boltMagic: [UInt8] = [0xED, 0xDA, 0x0C, 0xED]
    private static let boltMagicOffset = 16

    /// Looks at the first bytes only.
    /// - Throws: ``BackupError/foreign(path:)``.
    package static func of(
        _ path: String, fileSystem: any FileSystem
    ) throws(BackupError) -> FileKind {
        let head = try storing { () throws(StorageError) in
            switch try fileSystem.kind(of: path) {
            case .missing: throw .notFound(path: path)
            case .directory, .other: return [UInt8]()
            case .file, .symbolicLink: return try fileSystem.open(path, .read).read(32, at: 0)
            }
        }
        if head.starts(with: BackupFormat.magic) { return .backup }
        let bolt = head.dropFirst(boltMagicOffset).prefix(boltMagic.count)
        if Array(bolt) == boltMagic { return .etcd }
        throw .foreign(path: path)
    }
}
