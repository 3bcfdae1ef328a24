package import EtcdSnapshot
internal import Primitives
internal import StateMachine

extension BackupState {
    /// Makes a state of a snapshot of etcd's.
    ///
    /// Keys come with their history behind the last compaction, leases, users and roles. Passwords
    /// do not (etcd keeps them as bcrypt), so authentication is off. The members are others anyway.
    package static func load(
        etcd source: some BoltSource, path: String
    ) throws(BackupError) -> BackupState {
        var conversion = EtcdConversion(path: path)
        do {
            let reader = try EtcdSnapshotReader(source)
            let hasDigest = try reader.bolt.checkDigest()
            let store = try conversion.store(of: reader)
            var state = BackupState(path: path, store: store, origin: .etcd(hasDigest: hasDigest))
            state.notices = conversion.notices
            if !hasDigest {
                state.notices.append(
                    "there is no SHA-256 behind the file: only its pages say whether it is whole")
            }
            return state
        } catch let error as BoltFileError {
            throw .etcd(path: path, error)
        } catch let error as StoreLoadError {
            throw .notAState(path: path, error)
        } catch let error as BackupError {
            throw error
        } catch {
            throw .notImportable(path: path, reason: "\(error)")
        }
    }
}

/// The way of one snapshot of etcd's into a store.
private struct EtcdConversion {
    let path: String
    private(set) var notices: [String] = []
    private var leases: Set<Int64> = []
    private var strayLeases = 0

    init(path: String) { self.path = path }

    mutating func store<Source>(of reader: EtcdSnapshotReader<Source>) throws -> Store {
        let facts = try reader.facts()
        let floor = max(facts.finishedCompaction ?? -1, facts.scheduledCompaction ?? -1)
        var last: Int64 = 1
        var revisions = reader.revisions()
        while let revision = try revisions.next() { last = max(last, revision.main) }
        var head = StoreImport.Head(
            revision: max(last, floor), floor: floor,
            index: LogIndex(max(1, facts.consistentIndex ?? 1)),
            term: Term(max(1, facts.term ?? 1)))
        head.leases = try readLeases(reader, grantedAt: head.index)
        head.roles = try readRoles(reader)
        head.users = try readUsers(reader, facts)
        var made = try StoreImport(head)
        revisions = reader.revisions()
        while let revision = try revisions.next() { try made.add(try record(revision)) }
        if strayLeases > 0 {
            notices.append(
                "\(strayLeases) versions of keys named leases that have ended: they have none now")
        }
        return try made.finish()
    }

    private mutating func record(_ revision: EtcdRevision) throws(BackupError) -> Record {
        guard let sub = Int32(exactly: revision.sub), !revision.key.isEmpty else {
            throw .notImportable(
                path: path,
                reason: "revision \(revision.main), change \(revision.sub), is none of a key")
        }
        let isReserved = revision.key.withUnsafeBytes { SpaceID.of($0) } != .client
        guard !isReserved else {
            throw .notImportable(
                path: path,
                reason: "it has keys under /keelson/, where the datacenter's own records are."
                    + " Delete or move them in etcd, compact, and save it anew")
        }
        var lease = revision.lease
        if lease != 0, !leases.contains(lease) {
            lease = 0
            strayLeases += 1
        }
        return revision.key.withUnsafeBytes { key in
            revision.value.withUnsafeBytes { value in
                Record.make(
                    key: key, value: value, createRevision: revision.createRevision,
                    modRevision: revision.main, sub: sub, version: revision.version, lease: lease,
                    isTombstone: revision.isTombstone)
            }
        }
    }

    private mutating func readLeases<Source>(
        _ reader: EtcdSnapshotReader<Source>, grantedAt index: LogIndex
    ) throws -> [Lease] {
        var found: [Lease] = []
        var rows = reader.leases()
        while let row = try rows.next() {
            guard row.id != 0, (1...LeaseTable.secondsMax).contains(row.seconds) else {
                throw BackupError.notImportable(
                    path: path, reason: "lease \(row.id) has \(row.seconds) seconds")
            }
            leases.insert(row.id)
            found.append(Lease(id: row.id, grantedSeconds: row.seconds, grantIndex: index))
        }
        return found
    }

    private func readRoles<Source>(_ reader: EtcdSnapshotReader<Source>) throws -> [AuthRole] {
        var found: [AuthRole] = []
        var rows = reader.roles()
        while let row = try rows.next() {
            var role = AuthRole(name: row.name)
            role.permissions = row.permissions.map { permission in
                let kind: PermissionKind =
                    switch permission.kind {
                    case .read: .read
                    case .write: .write
                    case .readWrite: .readWrite
                    }
                return KeyPermission(
                    kind: kind, key: permission.key, rangeEnd: permission.rangeEnd)
            }
            role.permissions.sort { Bytes.compare($0.key, $1.key) < 0 }
            found.append(role)
        }
        return found
    }

    private mutating func readUsers<Source>(
        _ reader: EtcdSnapshotReader<Source>, _ facts: EtcdFacts
    ) throws -> [(name: [UInt8], roles: [[UInt8]])] {
        var found: [(name: [UInt8], roles: [[UInt8]])] = []
        var withPassword = 0
        var rows = reader.users()
        while let row = try rows.next() {
            withPassword += row.hasNoPassword ? 0 : 1
            found.append((row.name, row.roles))
        }
        if withPassword > 0 {
            notices.append(
                "passwords of \(withPassword) users are left behind: set them anew"
                    + " (keelson user passwd)")
        }
        if facts.isAuthEnabled {
            notices.append("authentication is off: `keelson auth enable` when passwords are set")
        }
        return found
    }
}
