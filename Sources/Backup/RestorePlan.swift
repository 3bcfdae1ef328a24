package import Primitives
internal import RaftCore
internal import Replication
package import StateMachine
package import Storage

/// A new cluster as its members will find it: made of a backup, and written once for each.
package struct RestorePlan {
    package let clusterID: ClusterID
    /// Of which cluster the backup was; nil where it does not say.
    package let oldClusterID: ClusterID?
    /// The members, sorted by name.
    package let members: [(id: NodeID, name: String, peerURLs: [String])]
    /// The revision that the backup has.
    package let oldRevision: Revision
    package let changes: RestorationChanges
    package let store: Store

    /// Changes the state's store into the one that the new cluster begins with.
    ///
    /// - Throws: ``BackupError/notRestorable(path:_:)``.
    package init(_ state: BackupState, _ order: RestoreOrder) throws(BackupError) {
        let store = state.store
        self.store = store
        oldClusterID = state.clusterID
        oldRevision = store.revision
        do throws(RestorationError) {
            changes = try store.beginAnew(RestorationStep(revisions: order.revisionStep))
        } catch { throw .notRestorable(path: state.path, error) }
        let names = RestoredNames(
            order, fingerprint: StateFingerprint(store.freeze()).bytes, not: oldClusterID)
        clusterID = names.clusterID
        var found: [(id: NodeID, name: String, peerURLs: [String])] = []
        for member in order.members {
            let id = names.memberID(member) { id in
                store.members[id] != nil || store.members.isRemoved(id)
                    || found.contains { $0.id == id }
            }
            found.append((id, member.name, member.peerURLs))
        }
        members = found
        store.replaceMembers(
            with: found.map { member in
                var record = MemberRecord(id: member.id, role: .voter, peerURLs: member.peerURLs)
                record.name = member.name
                return record
            })
    }

    /// What there would be, without changing anything.
    package var header: CheckpointHeader {
        CheckpointHeader(
            index: store.appliedIndex, term: store.appliedTerm,
            configuration: ClusterConfiguration(voters: members.map(\.id)).encode())
    }

    /// Makes the data directory of the member called `name`, in a directory that is empty or not
    /// there; durable when it returns. Until then no server starts there, and what was made is
    /// removed where it does not get that far.
    ///
    /// - Parameter disk: drawn at random for each member.
    package func write(
        for name: String, to directory: String, disk: UInt32, fileSystem: any FileSystem
    ) throws(BackupError) {
        guard let member = members.first(where: { $0.name == name }) else {
            throw .badMembers(reason: "--initial-cluster does not name this member, \(name)")
        }
        let path = Paths.plain(directory)
        let target = RestoreTarget(path: path, fileSystem: fileSystem)
        try target.checkEmpty()
        do throws(StorageError) {
            try write(member.id, name, to: path, disk: disk, fileSystem: fileSystem)
        } catch {
            target.removeWhatWasMade()
            throw .storage(error)
        }
    }

    private func write(
        _ id: NodeID, _ name: String, to path: String, disk: UInt32, fileSystem: any FileSystem
    ) throws(StorageError) {
        let identity = NodeIdentity(
            clusterID: clusterID, memberID: id, name: name,
            initialVoters: members.map(\.id), isRestored: true)
        let found = try DataDirectory.open(path, fileSystem: fileSystem)
        guard found.identity == nil else { throw .alreadyExists(path: path) }
        let rows = store.freeze().rows()
        _ = try found.initialize(as: identity, disk: disk) { () throws(StorageError) in
            let checkpoints = try CheckpointStore.open(
                fileSystem, directory: found.checkpointPath, clusterID: clusterID, memberID: id)
            let written = try checkpoints.write(
                header, upserts: rows.lazy.map(Row.init), deletes: [], replacingAll: true)
            // Once more from the disk: nobody else looks before the first start.
            try checkpoints.load(written) { _ in }
        }
    }
}

/// The directory that a member is restored into.
struct RestoreTarget {
    let path: String
    let fileSystem: any FileSystem

    /// What a file system makes by itself.
    private static let harmlessNames = ["lost+found"]
    private static let subdirectories = ["log", "checkpoint", "snapshot"]

    /// - Throws: ``BackupError/targetNotEmpty(path:holds:)`` for anything but empty directories.
    func checkEmpty() throws(BackupError) {
        let found = try storing { () throws(StorageError) -> String? in
            switch try fileSystem.kind(of: path) {
            case .missing: return nil
            case .file, .symbolicLink, .other: return "something that is no directory"
            case .directory: break
            }
            for name in try fileSystem.list(path) where !Self.harmlessNames.contains(name) {
                let inner = path + "/" + name
                guard Self.subdirectories.contains(name),
                    case .directory = try fileSystem.kind(of: inner)
                else { return name }
                if let file = try fileSystem.list(inner).first { return "\(name)/\(file)" }
            }
            return nil
        }
        if let found { throw .targetNotEmpty(path: path, holds: found) }
    }

    /// Files only: empty directories are as good as none. What cannot be removed stays, and is
    /// nobody's: the identity is missing.
    func removeWhatWasMade() {
        guard let names = try? fileSystem.list(path) else { return }
        for name in names where !Self.harmlessNames.contains(name) {
            let inner = path + "/" + name
            if Self.subdirectories.contains(name) {
                for file in (try? fileSystem.list(inner)) ?? [] {
                    try? fileSystem.remove(inner + "/" + file)
                }
            } else {
                try? fileSystem.remove(inner)
            }
        }
        try? fileSystem.syncDirectory(path)
    }
}
