internal import API
internal import Foundation
internal import Primitives
internal import RPC
internal import StateMachine

/// The key browser's questions. Keys and values are base64: they are any bytes.
struct DashboardKeys: Sendable {
    let access: DeskAccess
    let caller: Caller
    /// Else the datacenter's records alone.
    let showsAll: Bool

    private static let records = Array("/keelson/".utf8)
    private static let keysMax = 500
    private static let versionsMax = 100
    private static let changesMax = 500
    /// Of a value in a list, and of one in its key's history.
    private static let previewBytes = 96
    private static let valueBytesMax = 64 << 10
    /// Keys that are looked at in one step of a scan.
    private static let keysAtOnce = 10_000

    /// `?prefix=&after=&revision=&limit=`: keys in their order.
    func list(_ request: SurfaceRequest) async throws -> SurfaceAnswer {
        let prefix = try Self.key(request, "prefix") ?? []
        try await admit(.read(prefix: prefix))
        let last = try Self.key(request, "after")
        guard last?.starts(with: prefix) ?? true else {
            throw MesosRefusal(400, "'after' does not begin with 'prefix'")
        }
        let limit = try Self.number(request, "limit").map { min(Int($0), Self.keysMax) }
        var range = RangeRequest(
            key: last.map { $0 + [0] } ?? (prefix.isEmpty ? [0] : prefix),
            rangeEnd: prefix.isEmpty ? [0] : KeyQueue.end(of: prefix))
        range.revision = try Self.number(request, "revision") ?? 0
        let asked = range
        let found = try await access.run { desk in
            Result { () throws(StoreError) in try desk.facade.store.makeScan(asked) }
        }
        var scan = try Self.taken(found)
        var records: [Record] = []
        let wanted = (limit ?? Self.keysMax) + 1
        while !scan.isDone, records.count < wanted {
            records += scan.next(
                recordsMax: wanted - records.count, keysMax: Self.keysAtOnce)
        }
        let hasMore = records.count == wanted
        if hasMore { records.removeLast() }
        let revision = scan.revision.rawValue
        return DashboardAnswer.json(
            JSONWriter.object { writer in
                writer.field("revision", revision)
                writer.field("more", hasMore)
                writer.array("keys", of: records) {
                    Self.write($1, valueBytes: Self.previewBytes, into: &$0)
                }
            })
    }

    /// `?key=&before=`: the versions of a key, newest first.
    func history(_ request: SurfaceRequest) async throws -> SurfaceAnswer {
        guard let key = try Self.key(request, "key"), !key.isEmpty else {
            throw MesosRefusal(400, "Expecting 'key=base64' in the query")
        }
        try await admit(AccessNeed(verb: .read, key: key, isPrefix: false))
        let before = try Self.number(request, "before") ?? 0
        let (versions, revision, compacted) = try await access.run { desk in
            let store = desk.facade.store
            let found = store.versions(of: key, before: before, max: Self.versionsMax + 1)
            let compacted = store.compactedRevision(of: .of(key))
            return (found, store.revision.rawValue, compacted.rawValue)
        }
        return DashboardAnswer.json(
            JSONWriter.object { writer in
                writer.field("revision", revision)
                writer.field("compacted", compacted)
                writer.field("more", versions.count > Self.versionsMax)
                writer.array("versions", of: versions.prefix(Self.versionsMax)) {
                    Self.write($1, valueBytes: Self.valueBytesMax, into: &$0)
                }
            })
    }

    /// `?from=&limit=`: what changed from a revision on, clients' keys and records.
    func changes(_ request: SurfaceRequest) async throws -> SurfaceAnswer {
        let from = try Self.number(request, "from") ?? 1
        let limit = Int(min(try Self.number(request, "limit") ?? 100, Int64(Self.changesMax)))
        let everything = AccessNeed.read(prefix: [])
        try await access.require(caller, [.read(prefix: Self.records)])
        let found = try await access.run { desk -> (records: [Record], isWhole: Bool)? in
            let store = desk.facade.store
            let seesKeys = showsAll && desk.callers.refusal(of: caller, [everything]) == nil
            let spaces: [SpaceID] = seesKeys ? [.client, .datacenter] : [.datacenter]
            let kept = spaces.filter { from >= store.compactedRevision(of: $0).rawValue }
            guard !kept.isEmpty else { return nil }
            let revision = max(1, from)
            let records = kept.flatMap {
                store.events(from: Revision(revision), max: limit, in: $0)
            }
            return (records.sorted { $0.precedes($1) }, kept.count == spaces.count)
        }
        guard let found else { throw MesosRefusal(410, StoreError.compacted.status.message) }
        return DashboardAnswer.json(
            JSONWriter.object { writer in
                // Else some are of keys whose past is compacted as far as that.
                writer.field("complete", found.isWhole)
                writer.array("changes", of: found.records.prefix(limit)) {
                    Self.write($1, valueBytes: 0, into: &$0)
                }
            })
    }

    /// `?revision=`: the records of the datacenter as they were.
    func state(_ request: SurfaceRequest) async throws -> SurfaceAnswer {
        let revision = try Self.number(request, "revision") ?? 0
        let found = try await access.run { desk in
            Result { () throws(StoreError) in
                try desk.facade.store.datacenterPast(at: revision)
            }
        }
        let past = try Self.taken(found)
        var snapshot = DatacenterSnapshot(table: try past.table())
        snapshot.revision = past.revision.rawValue
        for key in snapshot.table.tasks.keys {
            snapshot.launches[key] = past.launchInfo(of: key)
        }
        return DashboardAnswer.json(DashboardRecords.state(snapshot))
    }

    // MARK: - Parts

    private func admit(_ need: AccessNeed) async throws {
        try await access.require(caller, [need])
        guard !showsAll, SpaceID.of(need.key) == .client else { return }
        throw MesosRefusal(
            403, "The client port asks for certificates, and this one does not: no keys are shown")
    }

    private static func taken<Value>(_ result: Result<Value, StoreError>) throws -> Value {
        do {
            return try result.get()
        } catch .compacted {
            throw MesosRefusal(410, StoreError.compacted.status.message)
        } catch {
            throw MesosRefusal(400, error.status.message)
        }
    }

    private static func key(
        _ request: SurfaceRequest, _ name: String
    ) throws(MesosRefusal) -> [UInt8]? {
        guard let text = request.parameter(name), !text.isEmpty else { return nil }
        guard let data = Data(base64Encoded: text) else {
            throw MesosRefusal(400, "'\(name)' is no base64")
        }
        return Array(data)
    }

    private static func number(
        _ request: SurfaceRequest, _ name: String
    ) throws(MesosRefusal) -> Int64? {
        guard let text = request.parameter(name), !text.isEmpty else { return nil }
        guard let number = Int64(text), number >= 0 else {
            throw MesosRefusal(400, "'\(name)' is no number that can be")
        }
        return number
    }

    /// - Parameter valueBytes: so many of the value's are told.
    private static func write(
        _ record: Record, valueBytes: Int, into writer: inout JSONWriter
    ) {
        let header = record.header
        writer.field("key", record.withKey { Data($0).base64EncodedString() })
        writer.field("revision", header.modRevision)
        if header.isTombstone { return writer.field("deleted", true) }
        writer.field("created", header.createRevision)
        writer.field("version", header.version)
        if header.lease != 0 { writer.field("lease", String(header.lease, radix: 16)) }
        writer.field("size", record.valueByteCount)
        guard valueBytes > 0 else { return }
        let value = record.withValue { Data($0.prefix(valueBytes)).base64EncodedString() }
        writer.field("value", value)
    }
}
