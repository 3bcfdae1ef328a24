internal import Primitives
internal import StateMachine

extension FuzzTarget {
    /// Requests of clients as the hot path reads them, and reads of a small store with them.
    static let requests = FuzzTarget("requests") { bytes in
        var input = FuzzInput(bytes)
        let kind = input.byte()
        let body = input.takeAll()
        switch kind % 8 {
        case 0:
            guard let request = try? RangeRequest.decode(body) else { return }
            let store = smallStore()
            _ = try? store.range(request)
            if var scan = try? store.makeScan(request) {
                while !scan.isDone { _ = scan.next(recordsMax: 7) }
            }
        case 1: _ = try? PutRequest.decode(body)
        case 2: _ = try? DeleteRangeRequest.decode(body)
        case 3:
            guard let request = try? TxnRequest.decode(body) else { return }
            _ = try? smallStore().readOnlyTxn(request)
        case 4: _ = try? CompactionRequest.decode(body)
        case 5: _ = try? LeaseGrantRequest.decode(body)
        case 6: _ = try? LeaseRequest.decode(body)
        default: _ = try? AlarmRequest.decode(body)
        }
    } seeds: {
        let put = pair(1, "a") + pair(2, "value")
        let range = pair(1, "a") + pair(2, "\0")
        let transaction =
            field(1, [0x08, 0, 0x10, 3] + pair(3, "a") + pair(7, "value"))
            + field(2, field(1, range)) + field(2, field(2, put)) + field(3, field(3, range))
        return [
            [0] + range, [0] + range + [0x18, 3, 0x20, 4, 0x28, 1, 0x30, 2, 0x38, 1],
            [1] + put + [0x18, 1, 0x20, 1], [2] + range + [0x18, 1], [3] + transaction,
            [3] + field(2, field(4, transaction)), [4, 0x08, 5, 0x10, 1], [5, 0x08, 60, 0x10, 1],
            [6, 0x08, 1], [7, 0x08, 2, 0x18, 1],
        ]
    }

    static func smallStore() -> Store {
        let store = Store()
        for number in 0..<12 {
            let body = pair(1, "key \(number % 5)") + pair(2, "v\(number)")
            _ = store.apply(entry(store, .put, body))
        }
        return store
    }

    static func entry(_ store: Store, _ kind: CommandKind, _ body: [UInt8]) -> LogEntry {
        let request = RequestID(
            origin: NodeID(1), boot: BootNumber(1), sequence: store.appliedIndex.rawValue + 1)
        var header = CommandHeader(kind: kind, request: request)
        header.proposedID = 7
        return LogEntry(
            index: store.appliedIndex.next, term: Term(1), kind: .command,
            payload: Command.encode(header, body: body))
    }

    static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(bytes.count & 0x7F)] + bytes
    }

    static func pair(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

    /// Entries of the log, applied to a store one after the other. A piece begins with its kind;
    /// zero says that the header, too, is the fuzzer's.
    static let commands = FuzzTarget("commands") { bytes in
        var input = FuzzInput(bytes)
        let store = smallStore()
        let other = smallStore()
        while !input.isEmpty {
            let kind = CommandKind(rawValue: input.byte())
            let body = input.piece()
            var entry = entry(store, kind ?? .put, body)
            if kind == nil { entry.payload = body }
            let applied = store.apply(entry)
            _ = applied.outcome.encodeResponse(
                ResponseHeader(clusterID: 1, memberID: 1, revision: 1, raftTerm: 1))
            _ = other.apply(entry, evaluate: false)
            _ = other.purge(budget: 3)
        }
        store.checkInvariants()
        other.checkInvariants()
        invariant(store.fullHash() == other.fullHash(), "two stores saw the same entries")
    } seeds: {
        func one(_ kind: CommandKind, _ body: [UInt8]) -> [UInt8] { [kind.rawValue] + body.asPiece }
        let put = pair(1, "a") + pair(2, "value")
        let range = pair(1, "a") + pair(2, "\0")
        let transaction =
            field(1, [0x08, 0, 0x10, 3] + pair(3, "a") + pair(7, "value"))
            + field(2, field(2, put)) + field(3, field(3, range))
        let permission = KeyPermission(kind: .read, key: [97], rangeEnd: [])
        let root = Array("root".utf8)
        let auth: [AuthCommand] = [
            .addRole(root), .addUser(root, hash: [1]), .grantRole(root, to: root),
            .grantPermission(permission, to: root), .enable,
        ]
        let start = entry(smallStore(), .put, put).payload
        return [
            one(.put, put) + one(.deleteRange, range) + one(.compact, [0x08, 5, 0x10, 1]),
            one(.leaseGrant, [0x08, 60, 0x10, 1]) + one(.put, put + [0x18, 1])
                + one(.leaseRevoke, [0x08, 1]),
            one(.txn, transaction) + one(.txn, field(2, field(4, transaction))),
            one(.alarm, [0x08, 1, 0x10, 1, 0x18, 1]) + one(.clusterLevel, [2, 0]),
            auth.flatMap { one(.auth, $0.encode()) },
            one(.memberRemoval, [2, 0, 0, 0, 0, 0, 0, 0]), [0] + start.asPiece,
            one(.memberRejoin, MemberCommand.rejoin(NodeID(2), name: "n", peerURLs: ["u"])),
            one(.leaseGrant, [0x08, 60, 0x10, 2]) + one(.leaseCheckpoint, LeaseBatch([]).encode())
                + one(.leaseExpire, LeaseBatch([]).encode()),
        ]
    }

    /// Rows of a checkpoint or a snapshot, as a store is loaded from them.
    static let storeRows = FuzzTarget("store-rows") { bytes in
        var input = FuzzInput(bytes)
        var loader = StoreLoader()
        while !input.isEmpty {
            let table = input.byte()
            let key = input.piece()
            guard (try? loader.add(table: table, key: key, value: input.piece())) != nil else {
                return
            }
        }
        guard let store = try? loader.finish() else { return }
        store.checkInvariants()
        _ = store.fullHash()
        _ = store.apply(entry(store, .put, pair(1, "a")))
        store.checkInvariants()
    } seeds: {
        let store = smallStore()
        _ = store.apply(entry(store, .leaseGrant, [0x08, 60, 0x10, 1]))
        _ = store.apply(entry(store, .put, pair(1, "leased") + [0x18, 1]))
        _ = store.apply(entry(store, .auth, AuthCommand.addRole([1]).encode()))
        var bytes: [UInt8] = []
        for row in store.freeze().rows() {
            bytes += [row.table] + row.key.asPiece + row.value.asPiece
        }
        return [bytes]
    }
}
