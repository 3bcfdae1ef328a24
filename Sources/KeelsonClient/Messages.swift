internal import API
internal import SwiftProtobuf

// Between the client's own values and the messages of the wire.

extension AnswerHeader {
    init(_ message: EtcdResponseHeader) {
        self.init(
            clusterID: message.clusterID, memberID: message.memberID, revision: message.revision,
            raftTerm: message.raftTerm)
    }
}

extension KeyValue {
    init(_ message: EtcdKeyValue) {
        self.init(
            key: Array(message.key), value: Array(message.value),
            createRevision: message.createRevision, modRevision: message.modRevision,
            version: message.version, lease: message.lease)
    }
}

extension EtcdRangeRequest {
    init(_ range: KeyRange, _ options: GetOptions) {
        self.init()
        key = .init(wire: range.start)
        rangeEnd = .init(wire: range.end)
        limit = options.limit
        revision = options.revision
        switch options.order {
        case .none: sortOrder = .none
        case .ascending: sortOrder = .ascend
        case .descending: sortOrder = .descend
        }
        switch options.sortTarget {
        case .key: sortTarget = .key
        case .version: sortTarget = .version
        case .createRevision: sortTarget = .create
        case .modRevision: sortTarget = .mod
        case .value: sortTarget = .value
        }
        serializable = options.serializable
        keysOnly = options.keysOnly
        countOnly = options.countOnly
        minModRevision = options.minModRevision
        maxModRevision = options.maxModRevision
        minCreateRevision = options.minCreateRevision
        maxCreateRevision = options.maxCreateRevision
    }
}

extension EtcdPutRequest {
    init(_ key: [UInt8], _ value: [UInt8], _ options: PutOptions) {
        self.init()
        self.key = .init(wire: key)
        self.value = .init(wire: value)
        lease = options.lease
        prevKv = options.returnsPrevious
        ignoreValue = options.keepsValue
        ignoreLease = options.keepsLease
    }
}

extension EtcdDeleteRangeRequest {
    init(_ range: KeyRange, returnsPrevious: Bool) {
        self.init()
        key = .init(wire: range.start)
        rangeEnd = .init(wire: range.end)
        prevKv = returnsPrevious
    }
}

extension EtcdCompare {
    init(_ comparison: Comparison) {
        self.init()
        key = .init(wire: comparison.range.start)
        rangeEnd = .init(wire: comparison.range.end)
        switch comparison.relation {
        case .equal: result = .equal
        case .notEqual: result = .notEqual
        case .less: result = .less
        case .greater: result = .greater
        }
        switch comparison.target {
        case .version(let number): (target, targetUnion) = (.version, .version(number))
        case .createRevision(let number):
            (target, targetUnion) = (.create, .createRevision(number))
        case .modRevision(let number): (target, targetUnion) = (.mod, .modRevision(number))
        case .lease(let number): (target, targetUnion) = (.lease, .lease(number))
        case .value(let bytes): (target, targetUnion) = (.value, .value(.init(wire: bytes)))
        }
    }
}

extension EtcdRequestOp {
    init(_ operation: Transaction.Operation) {
        self.init()
        switch operation {
        case .get(let range, let options):
            requestRange = EtcdRangeRequest(range, options)
        case .put(let key, let value, let options):
            requestPut = EtcdPutRequest(key, value, options)
        case .delete(let range, let returnsPrevious):
            requestDeleteRange = EtcdDeleteRangeRequest(range, returnsPrevious: returnsPrevious)
        case .transaction(let inner):
            requestTxn = EtcdTxnRequest(inner)
        }
    }
}

extension EtcdTxnRequest {
    init(_ transaction: Transaction) {
        self.init()
        compare = transaction.comparisons.map { EtcdCompare($0) }
        success = transaction.success.map { EtcdRequestOp($0) }
        failure = transaction.failure.map { EtcdRequestOp($0) }
    }
}

extension GetResult {
    init(_ message: EtcdRangeResponse) {
        self.init(
            header: AnswerHeader(message.header), keyValues: message.kvs.map { KeyValue($0) },
            more: message.more, count: message.count)
    }
}

extension PutResult {
    init(_ message: EtcdPutResponse) {
        self.init(
            header: AnswerHeader(message.header),
            previous: message.hasPrevKv ? KeyValue(message.prevKv) : nil)
    }
}

extension DeleteResult {
    init(_ message: EtcdDeleteRangeResponse) {
        self.init(
            header: AnswerHeader(message.header), deletedCount: message.deleted,
            previous: message.prevKvs.map { KeyValue($0) })
    }
}

extension TransactionResult {
    init(_ message: EtcdTxnResponse) {
        self.init(
            header: AnswerHeader(message.header), succeeded: message.succeeded,
            answers: message.responses.compactMap { operation in
                switch operation.response {
                case .responseRange(let answer): .get(GetResult(answer))
                case .responsePut(let answer): .put(PutResult(answer))
                case .responseDeleteRange(let answer): .delete(DeleteResult(answer))
                case .responseTxn(let answer): .transaction(TransactionResult(answer))
                case nil: nil
                }
            })
    }
}

extension WatchEvent {
    init(_ message: EtcdEvent) {
        self.init(
            kind: message.type == .delete ? .delete : .put, keyValue: KeyValue(message.kv),
            previous: message.hasPrevKv ? KeyValue(message.prevKv) : nil)
    }
}

extension EtcdWatchRequest {
    init(_ range: KeyRange, _ options: WatchOptions, startRevision: Int64) {
        self.init()
        var create = EtcdWatchCreateRequest()
        create.key = .init(wire: range.start)
        create.rangeEnd = .init(wire: range.end)
        create.startRevision = startRevision
        create.prevKv = options.returnsPrevious
        create.progressNotify = options.reportsProgress
        if options.skipsPuts { create.filters.append(.noput) }
        if options.skipsDeletes { create.filters.append(.nodelete) }
        createRequest = create
    }
}
