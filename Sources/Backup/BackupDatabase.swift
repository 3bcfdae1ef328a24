internal import Primitives
internal import StateMachine
package import Storage

/// A backup as a SQLite database, for people and their tools: `keelson backup open`.
///
/// Tables; keys and values are BLOBs, ids of clusters and members hexadecimal text, leases' ids
/// integers, times of day milliseconds since 1970:
///
///     about       name, value: where the backup is from, and the numbers it stands at
///     revisions   revision, sub, key, value, create_revision, version, lease, deleted: each
///                 version of each key that is held; deleted is 1 for a deletion, without a value
///     leases      id, granted_seconds, remaining_seconds (0: its full time)
///     users       name, has_password;  user_roles  user, role
///     roles       name;  permissions  role, kind (read, write, readwrite), key, range_end
///     members     id, name, role, peer_urls, client_urls, version
///     records     revision, sub, key, value, deleted: the datacenter's, as they stand under
///                 /keelson/ (Proto/keelson/records.proto)
///     agents, frameworks, tasks, role_records: the live ones of those, decoded
///
/// Views: keys (the newest version of each key that is not deleted, with key_text and value_text),
/// history (all versions, the same), lease_keys (lease, key, key_text).
package enum BackupDatabase {
    private static let schema = """
        CREATE TABLE about(name TEXT PRIMARY KEY, value);
        CREATE TABLE revisions(
            revision INTEGER NOT NULL, sub INTEGER NOT NULL, key BLOB NOT NULL, value BLOB,
            create_revision INTEGER NOT NULL, version INTEGER NOT NULL, lease INTEGER NOT NULL,
            deleted INTEGER NOT NULL, PRIMARY KEY(revision, sub)) WITHOUT ROWID;
        CREATE TABLE leases(
            id INTEGER PRIMARY KEY, granted_seconds INTEGER NOT NULL,
            remaining_seconds INTEGER NOT NULL);
        CREATE TABLE users(name TEXT NOT NULL, has_password INTEGER NOT NULL);
        CREATE TABLE user_roles(user TEXT NOT NULL, role TEXT NOT NULL);
        CREATE TABLE roles(name TEXT NOT NULL);
        CREATE TABLE permissions(
            role TEXT NOT NULL, kind TEXT NOT NULL, key BLOB NOT NULL, range_end BLOB);
        CREATE TABLE members(
            id TEXT PRIMARY KEY, name TEXT, role TEXT NOT NULL, peer_urls TEXT NOT NULL,
            client_urls TEXT NOT NULL, version TEXT NOT NULL);
        CREATE TABLE records(
            revision INTEGER NOT NULL, sub INTEGER NOT NULL, key TEXT NOT NULL, value BLOB,
            deleted INTEGER NOT NULL, PRIMARY KEY(revision, sub)) WITHOUT ROWID;
        CREATE TABLE agents(
            id TEXT PRIMARY KEY, phase TEXT NOT NULL, mode TEXT NOT NULL, url TEXT NOT NULL,
            total TEXT NOT NULL, used TEXT NOT NULL, registered_clock INTEGER NOT NULL);
        CREATE TABLE frameworks(
            id TEXT PRIMARY KEY, phase TEXT NOT NULL, roles TEXT NOT NULL,
            live_tasks INTEGER NOT NULL, registered_clock INTEGER NOT NULL);
        CREATE TABLE tasks(
            framework TEXT NOT NULL, id TEXT NOT NULL, agent TEXT NOT NULL, executor TEXT,
            role TEXT NOT NULL, state TEXT NOT NULL, resources TEXT NOT NULL,
            PRIMARY KEY(framework, id)) WITHOUT ROWID;
        CREATE TABLE role_records(name TEXT PRIMARY KEY, weight_thousandths INTEGER NOT NULL);
        CREATE VIEW history AS SELECT *, CAST(key AS TEXT) AS key_text,
            CAST(value AS TEXT) AS value_text FROM revisions;
        CREATE VIEW keys AS SELECT key, value, create_revision, revision AS mod_revision, version,
            lease, CAST(key AS TEXT) AS key_text, CAST(value AS TEXT) AS value_text
            FROM revisions AS r WHERE deleted = 0 AND NOT EXISTS (
                SELECT 1 FROM revisions AS n
                WHERE n.key = r.key AND (n.revision, n.sub) > (r.revision, r.sub));
        CREATE VIEW lease_keys AS SELECT lease, key, key_text FROM keys WHERE lease <> 0;
        CREATE INDEX revisions_by_key ON revisions(key, revision, sub);
        """

    /// Writes the database to `path`, where nothing may be yet. Durable and whole when it returns;
    /// where it throws there is nothing under that name.
    package static func write(
        _ state: BackupState, to path: String, fileSystem: any FileSystem
    ) throws(BackupError) {
        try storing { () throws(StorageError) in
            let database = try ReadableDatabase(path, schema: schema, fileSystem: fileSystem)
            do throws(StorageError) {
                try addAbout(state, to: database)
                try addRecords(state.store, to: database)
                try addLeases(state.store, to: database)
                try addAuth(state.store, to: database)
                try addMembers(state.store, to: database)
                try addDatacenter(state.store, to: database)
                try database.finish()
            } catch {
                database.discard()
                throw error
            }
        }
    }

    private static func addAbout(
        _ state: BackupState, to database: ReadableDatabase
    ) throws(StorageError) {
        let store = state.store
        var rows: [(String, ReadableDatabase.Value)] = [
            ("file", .text(state.path)), ("revision", .integer(store.revision.rawValue)),
            ("compacted_revision", .integer(store.compactedRevision.rawValue)),
            (
                "records_compacted_revision",
                .integer(store.compactedRevision(of: .datacenter).rawValue)
            ),
            ("index", .integer(Int64(clamping: store.appliedIndex.rawValue))),
            ("term", .integer(Int64(clamping: store.appliedTerm.rawValue))),
            ("clock", .integer(Int64(clamping: store.clock))),
            ("authentication", .integer(store.auth.isEnabled ? 1 : 0)),
        ]
        switch state.origin {
        case .backup(let summary), .archive(let summary, _):
            rows += [
                ("kind", .text("keelson backup")),
                ("taken_at", .integer(Int64(clamping: summary.description.takenAt))),
                ("taken_by", .text(summary.description.program)),
                ("cluster", .text("\(summary.clusterID)")),
                ("member", .text("\(summary.memberID)")), ("sha256", .text(summary.digest)),
            ]
        case .member(let identity, _, _):
            rows += [
                ("kind", .text("data directory")), ("cluster", .text("\(identity.clusterID)")),
                ("member", .text("\(identity.memberID)")),
            ]
        case .etcd: rows.append(("kind", .text("etcd snapshot")))
        }
        for (name, value) in rows { try database.insert("about", [.text(name), value]) }
    }

    private static func addRecords(
        _ store: Store, to database: ReadableDatabase
    ) throws(StorageError) {
        var failure: StorageError?
        store.freeze().forEachRecord { space, record in
            if failure != nil { return }
            do throws(StorageError) { try add(record, space, to: database) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private static func add(
        _ record: Record, _ space: SpaceID, to database: ReadableDatabase
    ) throws(StorageError) {
        let header = record.header
        let place: [ReadableDatabase.Value] = [
            .integer(header.modRevision), .integer(Int64(header.sub)),
        ]
        let value: ReadableDatabase.Value = header.isTombstone ? .null : .blob(record.value)
        let deleted = ReadableDatabase.Value.integer(header.isTombstone ? 1 : 0)
        switch space {
        case .client:
            let numbers: [ReadableDatabase.Value] = [
                .integer(header.createRevision), .integer(header.version),
                .integer(header.lease), deleted,
            ]
            try database.insert(
                "revisions", place + [.blob(record.key.storage), value] + numbers)
        case .datacenter:
            try database.insert(
                "records", place + [.text(text(record.key.storage)), value, deleted])
        }
    }

    private static func addLeases(
        _ store: Store, to database: ReadableDatabase
    ) throws(StorageError) {
        for lease in store.leases.all {
            try database.insert(
                "leases",
                [
                    .integer(lease.id), .integer(lease.grantedSeconds),
                    .integer(lease.remainingSeconds),
                ])
        }
    }

    private static func addAuth(
        _ store: Store, to database: ReadableDatabase
    ) throws(StorageError) {
        for user in store.auth.users {
            let name = ReadableDatabase.Value.text(text(user.name))
            try database.insert("users", [name, .integer(user.hasPassword ? 1 : 0)])
            for role in user.roles {
                try database.insert("user_roles", [name, .text(text(role))])
            }
        }
        for role in store.auth.roles {
            let name = ReadableDatabase.Value.text(text(role.name))
            try database.insert("roles", [name])
            for permission in role.permissions {
                try database.insert(
                    "permissions",
                    [
                        name, .text(kind(permission.kind)), .blob(permission.key),
                        permission.rangeEnd.isEmpty ? .null : .blob(permission.rangeEnd),
                    ])
            }
        }
    }

    private static func kind(_ kind: PermissionKind) -> String {
        switch kind {
        case .read: "read"
        case .write: "write"
        case .readWrite: "readwrite"
        }
    }

    private static func addMembers(
        _ store: Store, to database: ReadableDatabase
    ) throws(StorageError) {
        for member in store.members.records {
            try database.insert(
                "members",
                [
                    .text("\(member.id)"), .text(member.name), .text("\(member.role)"),
                    .text(member.peerURLs.joined(separator: ",")),
                    .text(member.clientURLs.joined(separator: ",")), .text(member.version),
                ])
        }
    }

    private static func addDatacenter(
        _ store: Store, to database: ReadableDatabase
    ) throws(StorageError) {
        let table = store.datacenterTable
        for agent in table.agentIDs.compactMap({ table.agents[$0] }) {
            try database.insert(
                "agents",
                [
                    .text("\(agent.record.id)"), .text("\(agent.record.phase)"),
                    .text("\(agent.record.mode)"), .text(text(agent.record.url)),
                    .text("\(agent.record.total)"), .text("\(agent.used)"),
                    .integer(Int64(clamping: agent.record.registeredClock)),
                ])
        }
        for framework in table.frameworkIDs.compactMap({ table.frameworks[$0] }) {
            try database.insert(
                "frameworks",
                [
                    .text("\(framework.record.id)"), .text("\(framework.record.phase)"),
                    .text(framework.record.roles.map(\.text).joined(separator: ",")),
                    .integer(Int64(framework.liveTasks)),
                    .integer(Int64(clamping: framework.record.registeredClock)),
                ])
        }
        for task in table.tasks.keys.sorted().compactMap({ table.tasks[$0] }) {
            try database.insert(
                "tasks",
                [
                    .text("\(task.key.framework)"), .text("\(task.key.task)"),
                    .text("\(task.agent)"), task.executor.map { .text("\($0)") } ?? .null,
                    .text(task.role.text), .text("\(task.state)"), .text("\(task.resources)"),
                ])
        }
        for role in table.roleNames.compactMap({ table.roles[$0] }) {
            try database.insert(
                "role_records", [.text(role.role.text), .integer(role.weight)])
        }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
