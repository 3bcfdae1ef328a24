import Primitives
import StateMachine

/// One version of one key, or its deletion.
struct ModelVersion: Equatable, Sendable {
    var key: [UInt8]
    var value: [UInt8] = []
    var create: Int64 = 0
    var mod: Int64
    var version: Int64 = 0
    var lease: Int64 = 0
    var sub: Int
    var isDeletion = false

    func equals(_ record: Record, keysOnly: Bool = false) -> Bool {
        let header = record.header
        return header.modRevision == mod && header.isTombstone == isDeletion
            && header.createRevision == create && header.version == version
            && (keysOnly || header.lease == lease && record.withValue { Self.isEqual($0, value) })
            && record.withKey { Self.isEqual($0, key) }
    }

    private static func isEqual(_ raw: UnsafeRawBufferPointer, _ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { Bytes.compare(raw, $0) == 0 }
    }
}

/// A lease from its grant to its end.
struct ModelLease: Sendable {
    var id: Int64
    var grantedSeconds: Int64
    var remainingSeconds: Int64 = 0
    var grantedAt: LogIndex
    var endedAt: LogIndex?
    var keys: [[UInt8]] = []
}

/// What came of one entry.
struct ModelStep: Sendable {
    var term: Term
    var revision: Int64
    var compacted: Int64
    var result: StepResult
    /// How many keys it changed.
    var changes: Int
    /// Where its changes begin in the history.
    var firstChange: Int
    /// The cluster's time, as far as entries have had it.
    var clusterTime: UInt64 = 0
}

indirect enum StepResult: Sendable {
    case none
    case put(previous: ModelVersion?)
    case delete(deleted: Int, previous: [ModelVersion])
    case txn(ModelTxnResult)
    case compact
    case leaseGrant(id: Int64, seconds: Int64)
    case leaseRevoke
    case alarms
    case auth
    /// Who the members are is not the model's.
    case members
    case failed(StoreError)
}

struct ModelTxnResult: Sendable {
    enum Response: Sendable {
        case range(ModelRange)
        case put(previous: ModelVersion?)
        case delete(deleted: Int, previous: [ModelVersion])
        case txn(ModelTxnResult)
        case empty
    }

    var succeeded: Bool
    var responses: [Response] = []
}

struct ModelRange: Sendable {
    var versions: [ModelVersion]
    var count: Int
    var more: Bool
}

/// The store as anybody would write it down: every version of every key, for ever. It is fed the
/// committed entries in their order, and says what the store must answer at any of them.
struct StoreModel {
    /// One for each index from 1; `steps[0]` is the empty store.
    private(set) var steps = [
        ModelStep(
            term: .zero, revision: 1, compacted: 0, result: .none, changes: 0, firstChange: 0)
    ]
    /// All changes, in order.
    private(set) var history: [ModelVersion] = []
    /// The versions of each key as positions in `history`, sorted by key.
    private(set) var keys: [(key: [UInt8], versions: [Int])] = []
    private(set) var leases: [ModelLease] = []
    private var alarms: [AlarmMember] = []
    /// Who may do what, and from which index on; the last is what counts now.
    private var auths = [(from: LogIndex.zero, auth: ModelAuth())]
    private(set) var revision: Int64 = 1
    private var clusterTime: UInt64 = 0
    /// Nothing was compacted yet: even a compaction at zero is one.
    private var floor: Int64 = -1
    var compacted: Int64 { max(0, floor) }

    var lastIndex: LogIndex { LogIndex(UInt64(steps.count - 1)) }

    func step(_ index: LogIndex) -> ModelStep? {
        index.rawValue < UInt64(steps.count) ? steps[Int(index.rawValue)] : nil
    }

    // MARK: Applying

    mutating func apply(_ entry: LogEntry) {
        let before = history.count
        var result = StepResult.none
        if entry.kind == .command {
            do throws(StoreError) {
                result = try apply(command: entry.payload, term: entry.term, index: entry.index)
            } catch { result = .failed(error) }
        }
        steps.append(
            ModelStep(
                term: entry.term, revision: revision, compacted: compacted, result: result,
                changes: history.count - before, firstChange: before, clusterTime: clusterTime))
    }

    /// The last entry changed records of the datacenter, which are not the model's, only their
    /// number: one revision, if any.
    mutating func recordsChanged(_ count: Int) {
        guard count > 0 else { return }
        revision += 1
        steps[steps.count - 1].revision = revision
        steps[steps.count - 1].changes = count
    }

    private mutating func apply(
        command payload: [UInt8], term: Term, index: LogIndex
    ) throws(StoreError) -> StepResult {
        let decoded: Result<(header: CommandHeader, bodyOffset: Int), StoreError> =
            payload.withUnsafeBytes { raw in
                Result { () throws(StoreError) in try Command.decodeHeader(raw) }
            }
        let (header, offset) = try decoded.get()
        let body = Array(payload[offset...])
        clusterTime = max(clusterTime, header.clusterTime ?? 0)
        if header.fenceTerm != .zero, header.fenceTerm != term {
            throw .fenced(decidedIn: header.fenceTerm.rawValue, committedIn: term.rawValue)
        }
        let isFull = alarms.contains { $0.kind == .noSpace }
        // What takes room whatever it says is refused whoever asks for it.
        if isFull, header.kind == .put || header.kind == .leaseGrant { throw .noSpace }
        try authorize(header, body)
        switch header.kind {
        case .put:
            return try put(try decode(body, PutRequest.decode))
        case .deleteRange: return try delete(try decode(body, DeleteRangeRequest.decode))
        case .txn:
            let txn = try decode(body, TxnRequest.decode)
            if txn.hasPut, isFull { throw .noSpace }
            return .txn(try transact(txn))
        case .compact: return try compact(try decode(body, CompactionRequest.decode).revision)
        case .leaseGrant:
            return try grant(try decode(body, LeaseGrantRequest.decode), header, index)
        case .leaseRevoke:
            let id = try decode(body, LeaseRequest.decode).id
            guard let lease = liveLease(id) else { throw .leaseNotFound }
            end(lease, index)
            return .leaseRevoke
        case .leaseExpire:
            for item in try batch(body).items {
                if let lease = liveLease(of: item) { end(lease, index) }
            }
            return .leaseRevoke
        case .leaseCheckpoint:
            for item in try batch(body).items {
                guard let lease = liveLease(of: item) else { continue }
                leases[lease].remainingSeconds = min(
                    max(0, item.remainingSeconds), leases[lease].grantedSeconds)
            }
            return .none
        case .alarm:
            change(try decode(body, AlarmRequest.decode))
            return .alarms
        case .clusterLevel, .downgrade, .memberAttributes, .memberRemoval, .memberFoundation,
            .memberAddition, .memberUpdate, .memberPromotion, .memberRejoin, .memberSuccession,
            .datacenter:
            return .members
        case .auth:
            try change(try command(body), by: header.principal, index)
            return .auth
        }
    }

    func decode<T>(
        _ body: [UInt8], _ decode: (UnsafeRawBufferPointer) throws(ProtobufError) -> T
    ) throws(StoreError) -> T {
        let result: Result<T, StoreError> = body.withUnsafeBytes { raw in
            do throws(ProtobufError) { return .success(try decode(raw)) } catch {
                return .failure(StoreError(error))
            }
        }
        return try result.get()
    }

    private func command(_ body: [UInt8]) throws(StoreError) -> AuthCommand {
        let result: Result<AuthCommand, StoreError> = body.withUnsafeBytes { raw in
            Result { () throws(StoreError) in try AuthCommand.decode(raw) }
        }
        return try result.get()
    }

    private func batch(_ body: [UInt8]) throws(StoreError) -> LeaseBatch {
        let result: Result<LeaseBatch, StoreError> = body.withUnsafeBytes { raw in
            Result { () throws(StoreError) in try LeaseBatch.decode(raw) }
        }
        return try result.get()
    }

    // MARK: Users

    var auth: ModelAuth { auths[auths.count - 1].auth }

    func auth(at index: LogIndex) -> ModelAuth {
        auths.last { $0.from <= index }?.auth ?? ModelAuth()
    }

    private mutating func change(
        _ command: AuthCommand, by principal: Principal, _ index: LogIndex
    ) throws(StoreError) {
        var next = auth
        try next.apply(command, by: principal)
        if next != auth { auths.append((index, next)) }
    }

    // MARK: Keys

    private func place(_ key: [UInt8]) -> (Int, found: Bool) {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle].key.lexicographicallyPrecedes(key) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return (low, low < keys.count && keys[low].key == key)
    }

    /// The live version of a key as of a revision, or nil.
    func version(of key: [UInt8], at revision: Int64 = .max) -> ModelVersion? {
        let (place, found) = place(key)
        return found ? version(at: place, revision) : nil
    }

    private func version(at place: Int, _ revision: Int64) -> ModelVersion? {
        let versions = keys[place].versions
        var low = 0
        var high = versions.count
        while low < high {
            let middle = (low + high) / 2
            if history[versions[middle]].mod <= revision { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        let last = history[versions[low - 1]]
        return last.isDeletion ? nil : last
    }

    /// All live versions in a range as of a revision, by key.
    func versions(key: [UInt8], end: [UInt8], at revision: Int64 = .max) -> [ModelVersion] {
        if end.isEmpty { return version(of: key, at: revision).map { [$0] } ?? [] }
        var found: [ModelVersion] = []
        for place in place(key).0..<keys.count {
            if end != [0], !keys[place].key.lexicographicallyPrecedes(end) { break }
            if let version = version(at: place, revision) { found.append(version) }
        }
        return found
    }

    private mutating func note(_ change: ModelVersion) {
        let (place, found) = place(change.key)
        if !found { keys.insert((change.key, []), at: place) }
        keys[place].versions.append(history.count)
        history.append(change)
    }

    mutating func write(_ request: PutRequest, revision: Int64, sub: Int) -> ModelVersion? {
        let old = version(of: request.key)
        let value = request.ignoreValue ? old?.value ?? [] : request.value
        let lease = request.ignoreLease ? old?.lease ?? 0 : request.lease
        note(
            ModelVersion(
                key: request.key, value: value, create: old?.create ?? revision, mod: revision,
                version: (old?.version ?? 0) + 1, lease: lease, sub: sub))
        move(request.key, from: old?.lease ?? 0, to: lease)
        return old
    }

    mutating func remove(_ version: ModelVersion, revision: Int64, sub: Int) {
        note(ModelVersion(key: version.key, mod: revision, sub: sub, isDeletion: true))
        move(version.key, from: version.lease, to: 0)
    }

    private mutating func move(_ key: [UInt8], from old: Int64, to new: Int64) {
        guard old != new else { return }
        if old != 0, let lease = liveLease(old) { leases[lease].keys.removeAll { $0 == key } }
        if new != 0, let lease = liveLease(new) { leases[lease].keys.append(key) }
    }

    func check(_ request: PutRequest) throws(StoreError) {
        if request.key.isEmpty { throw .emptyKey }
        if request.ignoreValue, !request.value.isEmpty { throw .valueProvided }
        if request.ignoreLease, request.lease != 0 { throw .leaseProvided }
        if request.lease != 0, liveLease(request.lease) == nil { throw .leaseNotFound }
        if request.ignoreValue || request.ignoreLease, version(of: request.key) == nil {
            throw .keyNotFound
        }
    }

    private mutating func put(_ request: PutRequest) throws(StoreError) -> StepResult {
        try check(request)
        let old = write(request, revision: revision + 1, sub: 0)
        revision += 1
        return .put(previous: request.prevKV ? old : nil)
    }

    private mutating func delete(_ request: DeleteRangeRequest) throws(StoreError) -> StepResult {
        if request.key.isEmpty { throw .emptyKey }
        let doomed = versions(key: request.key, end: request.rangeEnd)
        for (sub, version) in doomed.enumerated() {
            remove(version, revision: revision + 1, sub: sub)
        }
        if !doomed.isEmpty { revision += 1 }
        return .delete(deleted: doomed.count, previous: request.prevKV ? doomed : [])
    }

    mutating func advance(to newRevision: Int64) { revision = newRevision }

    private mutating func compact(_ target: Int64) throws(StoreError) -> StepResult {
        if target <= floor { throw .compacted }
        if target > revision { throw .futureRevision }
        floor = target
        return .compact
    }

    // MARK: Leases and alarms

    func liveLease(_ id: Int64) -> Int? {
        leases.lastIndex { $0.id == id && $0.endedAt == nil }
    }

    /// The lease that a leader's decision is about, unless that life of its id is over.
    private func liveLease(of item: LeaseBatch.Item) -> Int? {
        guard let lease = liveLease(item.id), leases[lease].grantedAt == item.grantIndex else {
            return nil
        }
        return lease
    }

    private mutating func grant(
        _ request: LeaseGrantRequest, _ header: CommandHeader, _ index: LogIndex
    ) throws(StoreError) -> StepResult {
        let id = request.id != 0 ? request.id : header.proposedID
        if id == 0 { throw .leaseNotFound }
        if request.seconds > 9_000_000_000 { throw .leaseTimeTooLarge }
        if liveLease(id) != nil { throw .leaseExists }
        let seconds = max(request.seconds, max(1, Int64(header.leaseSecondsMin)))
        leases.append(ModelLease(id: id, grantedSeconds: seconds, grantedAt: index))
        return .leaseGrant(id: id, seconds: seconds)
    }

    private mutating func end(_ lease: Int, _ index: LogIndex) {
        let keys = leases[lease].keys.sorted { $0.lexicographicallyPrecedes($1) }
        var sub = 0
        for key in keys {
            guard let version = version(of: key) else { continue }
            remove(version, revision: revision + 1, sub: sub)
            sub += 1
        }
        if sub > 0 { revision += 1 }
        leases[lease].endedAt = index
        leases[lease].keys = []
    }

    private mutating func change(_ request: AlarmRequest) {
        guard let kind = AlarmKind(rawValue: request.alarm) else { return }
        let alarm = AlarmMember(member: NodeID(request.member), kind: kind)
        switch AlarmRequest.Action(rawValue: request.action) {
        case .activate: if !alarms.contains(alarm) { alarms.append(alarm) }
        case .deactivate: alarms.removeAll { $0 == alarm }
        case .get, nil: break
        }
    }

    var raisedAlarms: [AlarmMember] { alarms }
}
