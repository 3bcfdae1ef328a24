package import Primitives

/// Makes a store from the rows of a checkpoint or a snapshot, given in order of table and key.
///
/// Cost: about a microsecond a record. What the compaction had made unreachable is left out.
package struct StoreLoader {
    private struct State {
        var revision: Int64 = 0
        var floors: [Int64] = [-1, -1]
        var index = LogIndex.zero
        var term = Term.zero
        var clock: UInt64 = 0
        var level = FeatureLevel.first
        var clusterTime: UInt64 = 0
        var downgradeTarget: String?
        var digest = Digest()

        /// Whether a store can stand there, and go on from there. Clocks may be anything: they are
        /// what an entry said.
        var isPossible: Bool {
            (1..<RecordCoding.countMax).contains(revision)
                && floors.allSatisfy { (-1...revision).contains($0) }
                && max(index.rawValue, term.rawValue) < UInt64(RecordCoding.countMax)
        }
    }

    private var state: State?
    private var members = MemberTable()
    private var alarms = AlarmTable()
    private var auth: AuthTable?
    private var leases: [Lease] = []
    private var spaces = [SpaceLoader(), SpaceLoader()]

    private let known: FeatureLevel

    /// - Parameter known: what the node knows that the store is for.
    package init(known: FeatureLevel = .newest) { self.known = known }

    /// Where the store stands that the rows so far are of: its revision, and the leader's clock in
    /// milliseconds since 1970. Nil before its first row.
    package var position: (revision: Revision, clock: UInt64)? {
        state.map { (Revision($0.revision), $0.clock) }
    }

    package mutating func add(_ row: StoreRow) throws(StoreLoadError) {
        try add(table: row.table, key: row.key, value: row.value)
    }

    package mutating func add(
        table: UInt8, key: [UInt8], value: [UInt8]
    ) throws(StoreLoadError) {
        guard let known = StoreTable(rawValue: table) else { throw .unknownTable(table) }
        switch known {
        case .state: try addState(value)
        case .members: try addMembers(value)
        case .leases: try addLeases(key, value)
        case .auth: try addAuth(value)
        case .client, .datacenter:
            guard let id = ChunkID(rowKey: key) else { throw .malformedKey(table: table) }
            guard let state else { throw .missingState }
            let space = known == .client ? 0 : 1
            try spaces[space].add(id, value, revisionMax: state.revision)
        }
    }

    /// The store. Rows added after it count for another one.
    package mutating func finish() throws(StoreLoadError) -> Store {
        guard let state else { throw .missingState }
        guard members.clusterLevel == state.level else { throw .malformed(offset: 0) }
        let index = state.index.rawValue
        let client = spaces[0].finish(floor: state.floors[0], loadedAt: index)
        let datacenter = spaces[1].finish(floor: state.floors[1], loadedAt: index)
        let leaseIDs = Set(leases.map { $0.id })
        guard leaseIDs.count == leases.count else {
            throw .malformedKey(table: StoreTable.leases.rawValue)
        }
        for attachment in client.attachments where !leaseIDs.contains(attachment.lease) {
            throw .unknownLease(attachment.lease)
        }
        let table = LeaseTable(leases, attachments: client.attachments, loadedAt: index)
        let store = Store(
            client: client.space, datacenter: datacenter.space, revision: state.revision,
            leases: table, alarms: alarms, members: members, known: known)
        if var auth {
            auth.modifiedAt = index
            store.auth = auth
        }
        store.appliedIndex = state.index
        store.appliedTerm = state.term
        store.clock = state.clock
        store.clusterTime = state.clusterTime
        store.downgradeTarget = state.downgradeTarget
        store.digest = state.digest
        store.datacenterTable = try DatacenterTable(records: datacenter.space)
        self = StoreLoader(known: known)
        return store
    }

    private mutating func addState(_ value: [UInt8]) throws(StoreLoadError) {
        var reader = ByteReader(value)
        do throws(DecodingError) {
            let format: UInt32 = try reader.read()
            let digestVersion: UInt32 = try reader.read()
            guard let level = RowFormat.level(ofVersion: format, known: known),
                digestVersion == Digest.version
            else { throw DecodingError.invalid(field: "version", offset: 0) }
            var found = State()
            found.level = level
            found.revision = try reader.read()
            found.floors[0] = try reader.read()
            found.floors[1] = try reader.read()
            found.index = LogIndex(try reader.read())
            found.term = Term(try reader.read())
            found.clock = try reader.read()
            found.digest = Digest(value: try reader.read())
            if level >= .clusterTime {
                found.clusterTime = try reader.read()
                let target = try reader.readString(limit: DowngradeRequest.targetBytesMax)
                found.downgradeTarget = target.isEmpty ? nil : target
            }
            state = found
        } catch {
            if case .invalid = error {
                throw .unknownFormat(value.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
            }
            throw .malformed(offset: reader.offset)
        }
        if state?.isPossible != true { throw .malformed(offset: reader.offset) }
    }

    private mutating func addMembers(_ value: [UInt8]) throws(StoreLoadError) {
        var reader = ByteReader(value)
        do throws(DecodingError) {
            members.clusterLevel = FeatureLevel(try reader.read())
            let recordCount: UInt32 = try reader.read()
            for _ in 0..<recordCount { members.set(try MemberRecord.decode(&reader)) }
            let removedCount: UInt32 = try reader.read()
            for _ in 0..<removedCount { members.remove(NodeID(try reader.read())) }
            let alarmCount: UInt32 = try reader.read()
            var raised: [AlarmMember] = []
            for _ in 0..<alarmCount {
                let member = NodeID(try reader.read())
                let offset = reader.offset
                guard let kind = AlarmKind(rawValue: try reader.read()) else {
                    throw .invalid(field: "alarm", offset: offset)
                }
                raised.append(AlarmMember(member: member, kind: kind))
            }
            alarms = AlarmTable(raised: raised)
        } catch {
            throw .malformed(offset: reader.offset)
        }
    }

    private mutating func addAuth(_ value: [UInt8]) throws(StoreLoadError) {
        var reader = ByteReader(value)
        do throws(DecodingError) {
            auth = try AuthTable.decode(&reader)
        } catch {
            throw .malformed(offset: reader.offset)
        }
    }

    private mutating func addLeases(
        _ key: [UInt8], _ value: [UInt8]
    ) throws(StoreLoadError) {
        var reader = ByteReader(value)
        do throws(DecodingError) {
            let count: UInt32 = try reader.read()
            for _ in 0..<count {
                let offset = reader.offset
                let lease = Lease(
                    id: try reader.read(), grantedSeconds: try reader.read(),
                    remainingSeconds: try reader.read(),
                    grantIndex: LogIndex(try reader.read()))
                let seconds = 0...LeaseTable.secondsMax
                guard key == [UInt8(LeaseTable.bucket(lease.id))],
                    seconds.contains(lease.grantedSeconds), seconds.contains(lease.remainingSeconds)
                else { throw .invalid(field: "lease", offset: offset) }
                leases.append(lease)
            }
        } catch {
            throw .malformed(offset: reader.offset)
        }
    }
}

/// One space's records while they arrive.
private struct SpaceLoader {
    private var records = ContiguousArray<Record>()
    private var chunks: [(id: ChunkID, start: Int)] = []

    mutating func add(
        _ id: ChunkID, _ value: [UInt8], revisionMax: Int64
    ) throws(StoreLoadError) {
        // Rows of two stores that divide their records in different ways are no store together.
        if let last = records.last, last.place >= id { throw .outOfOrder(revision: id.main) }
        chunks.append((id, records.count))
        let result: Result<Void, StoreLoadError> = value.withUnsafeBytes { raw in
            do throws(StoreLoadError) {
                try RecordCoding.decode(raw) { record throws(StoreLoadError) in
                    let place = record.place
                    let follows = records.last.map { $0.precedes(record) } ?? true
                    guard follows, id <= place, place.main <= revisionMax else {
                        throw .outOfOrder(revision: place.main)
                    }
                    records.append(record)
                }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    mutating func finish(
        floor: Int64, loadedAt index: UInt64
    ) -> (space: KeySpace, attachments: [(lease: Int64, key: Record)]) {
        let order = RecordSort.byKey(records)
        var isGarbage = [Bool](repeating: false, count: records.count)
        var entries = ContiguousArray<(Record, History?)>()
        var attachments: [(lease: Int64, key: Record)] = []
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, records[order[start]].hasKey(of: records[order[end]]) {
                end += 1
            }
            while start < end {
                let next = start + 1 < end ? records[order[start + 1]] : nil
                guard KeySpace.isGarbage(records[order[start]], next: next, floor: floor) else {
                    break
                }
                isGarbage[order[start]] = true
                start += 1
            }
            if start < end {
                var history: History?
                for place in start..<(end - 1) {
                    let version = records[order[place]]
                    if let history { history.append(version) } else { history = History(version) }
                }
                let newest = records[order[end - 1]]
                entries.append((newest, history))
                let lease = newest.lease
                if lease != 0 { attachments.append((lease, newest)) }
            }
            start = end
        }
        let log = makeLog(isGarbage, loadedAt: index)
        var weight = 0
        for (place, record) in records.enumerated() where !isGarbage[place] {
            weight += record.weightBytes
        }
        let space = KeySpace(
            tree: PersistentTree(sorted: entries), log: log, floor: floor, weightBytes: weight)
        return (space, attachments)
    }

    /// Chunks as they were in the rows, so that the next checkpoint rewrites only what changes.
    /// Those that lost garbage count as changed by the entry to come.
    private func makeLog(_ isGarbage: [Bool], loadedAt index: UInt64) -> RevisionLog {
        var made: [LogChunk] = []
        var vanished: [ChunkID] = []
        for (position, chunk) in chunks.enumerated() {
            let end = position + 1 < chunks.count ? chunks[position + 1].start : records.count
            var kept = ContiguousArray<Record>()
            kept.reserveCapacity(end - chunk.start)
            var bytes = 0
            for place in chunk.start..<end where !isGarbage[place] {
                kept.append(records[place])
                bytes += records[place].keyByteCount + records[place].valueByteCount
            }
            if kept.isEmpty {
                vanished.append(chunk.id)
                continue
            }
            let isChanged = kept.count < end - chunk.start
            made.append(
                LogChunk(
                    id: chunk.id, records: kept, bytes: bytes,
                    modifiedAt: isChanged ? index + 1 : index))
        }
        return RevisionLog(chunks: made, vanished: vanished, loadedAt: index)
    }
}

extension Record {
    func hasKey(of other: Record) -> Bool {
        keyByteCount == other.keyByteCount && Bytes.compare(keyView, other.keyView) == 0
    }
}

extension Store {
    convenience init(
        client: KeySpace, datacenter: KeySpace, revision: Int64, leases: LeaseTable,
        alarms: AlarmTable, members: MemberTable, known: FeatureLevel
    ) {
        self.init(known: known)
        self.client = client
        self.datacenter = datacenter
        self.mainRevision = revision
        self.leases = leases
        self.alarms = alarms
        self.members = members
    }
}
