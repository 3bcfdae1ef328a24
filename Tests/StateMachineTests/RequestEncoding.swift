import Primitives
import StateMachine

/// Encoders of the requests, which the product only reads.
extension PutRequest {
    init(
        _ key: String, _ value: String, lease: Int64 = 0, prevKV: Bool = false,
        ignoreValue: Bool = false, ignoreLease: Bool = false
    ) {
        self.init()
        self.key = Array(key.utf8)
        self.value = Array(value.utf8)
        self.lease = lease
        self.prevKV = prevKV
        self.ignoreValue = ignoreValue
        self.ignoreLease = ignoreLease
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key)
        writer.field(2, value)
        writer.field(3, lease)
        writer.field(4, prevKV)
        writer.field(5, ignoreValue)
        writer.field(6, ignoreLease)
        return writer.bytes
    }
}

extension RangeRequest {
    init(
        _ key: String, to end: String = "", limit: Int64 = 0, revision: Int64 = 0,
        order: SortOrder = .none, target: SortTarget = .key
    ) {
        self.init(key: Array(key.utf8), rangeEnd: Array(end.utf8))
        self.limit = limit
        self.revision = revision
        sortOrder = order.rawValue
        sortTarget = target.rawValue
    }

    static var everything: RangeRequest { RangeRequest(key: [0], rangeEnd: [0]) }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key)
        writer.field(2, rangeEnd)
        writer.field(3, limit)
        writer.field(4, revision)
        writer.field(5, Int64(sortOrder))
        writer.field(6, Int64(sortTarget))
        writer.field(7, isSerializable)
        writer.field(8, keysOnly)
        writer.field(9, countOnly)
        writer.field(10, minModRevision)
        writer.field(11, maxModRevision)
        writer.field(12, minCreateRevision)
        writer.field(13, maxCreateRevision)
        return writer.bytes
    }
}

extension DeleteRangeRequest {
    init(_ key: String, to end: String = "", prevKV: Bool = false) {
        self.init()
        self.key = Array(key.utf8)
        rangeEnd = Array(end.utf8)
        self.prevKV = prevKV
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key)
        writer.field(2, rangeEnd)
        writer.field(3, prevKV)
        return writer.bytes
    }
}

extension Compare {
    init(
        _ key: String, to end: String = "", _ relation: Relation, _ target: Target,
        _ operand: Operand
    ) {
        self.init()
        self.key = Array(key.utf8)
        rangeEnd = Array(end.utf8)
        result = relation.rawValue
        self.target = target.rawValue
        self.operand = operand
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, Int64(result))
        writer.field(2, Int64(target))
        writer.field(3, key)
        func scalar(_ number: UInt32, _ value: Int64) {
            writer.tag(number, .varint)
            writer.varint(UInt64(bitPattern: value))
        }
        switch operand {
        case .none: break
        case .version(let value): scalar(4, value)
        case .createRevision(let value): scalar(5, value)
        case .modRevision(let value): scalar(6, value)
        case .value(let value):
            writer.message(7, byteCount: value.count)
            writer.bytes += value
        case .lease(let value): scalar(8, value)
        }
        writer.field(64, rangeEnd)
        return writer.bytes
    }
}

extension RequestOp {
    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        func embed(_ number: UInt32, _ bytes: [UInt8]) {
            writer.message(number, byteCount: bytes.count)
            writer.bytes += bytes
        }
        switch self {
        case .range(let range): embed(1, range.encoded)
        case .put(let put): embed(2, put.encoded)
        case .deleteRange(let delete): embed(3, delete.encoded)
        case .txn(let txn): embed(4, txn.encoded)
        case .empty: break
        }
        return writer.bytes
    }
}

extension TxnRequest {
    init(
        _ compares: [Compare] = [], then success: [RequestOp] = [],
        else failure: [RequestOp] = []
    ) {
        self.init()
        self.compares = compares
        self.success = success
        self.failure = failure
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        func embed(_ number: UInt32, _ bytes: [UInt8]) {
            writer.message(number, byteCount: bytes.count)
            writer.bytes += bytes
        }
        for compare in compares { embed(1, compare.encoded) }
        for op in success { embed(2, op.encoded) }
        for op in failure { embed(3, op.encoded) }
        return writer.bytes
    }
}

func encodedNumbers(_ fields: (UInt32, Int64)...) -> [UInt8] {
    var writer = ProtobufWriter()
    for (number, value) in fields { writer.field(number, value) }
    return writer.bytes
}
