package import Primitives

/// etcdserverpb.Compare.
package struct Compare: Equatable, Sendable {
    package enum Target: Int32, Sendable { case version = 0, create, mod, value, lease }
    package enum Relation: Int32, Sendable { case equal = 0, greater, less, notEqual }

    /// The operand's oneof: the last field on the wire counts.
    package enum Operand: Equatable, Sendable {
        case none
        case version(Int64)
        case createRevision(Int64)
        case modRevision(Int64)
        case value([UInt8])
        case lease(Int64)
    }

    package var result: Int32 = 0
    package var target: Int32 = 0
    package var key: [UInt8] = []
    package var rangeEnd: [UInt8] = []
    package var operand = Operand.none

    package init() {}

    static func decode(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> Compare {
        var compare = Compare()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): compare.result = try reader.int32()
            case (2, .varint): compare.target = try reader.int32()
            case (3, .lengthDelimited): compare.key = Array(try reader.lengthDelimited())
            case (4, .varint): compare.operand = .version(try reader.int64())
            case (5, .varint): compare.operand = .createRevision(try reader.int64())
            case (6, .varint): compare.operand = .modRevision(try reader.int64())
            case (7, .lengthDelimited):
                compare.operand = .value(Array(try reader.lengthDelimited()))
            case (8, .varint): compare.operand = .lease(try reader.int64())
            case (64, .lengthDelimited): compare.rangeEnd = Array(try reader.lengthDelimited())
            case (_, let type): try reader.skip(type)
            }
        }
        return compare
    }
}

/// etcdserverpb.RequestOp.
package indirect enum RequestOp: Equatable, Sendable {
    case range(RangeRequest)
    case put(PutRequest)
    case deleteRange(DeleteRangeRequest)
    case txn(TxnRequest)
    /// None of the four was on the wire.
    case empty

    static func decode(
        _ bytes: UnsafeRawBufferPointer, depth: Int
    ) throws(ProtobufError) -> RequestOp {
        var op = RequestOp.empty
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): op = .range(try .decode(try reader.lengthDelimited()))
            case (2, .lengthDelimited): op = .put(try .decode(try reader.lengthDelimited()))
            case (3, .lengthDelimited):
                op = .deleteRange(try .decode(try reader.lengthDelimited()))
            case (4, .lengthDelimited):
                op = .txn(try .decode(try reader.lengthDelimited(), depth: depth + 1))
            case (_, let type): try reader.skip(type)
            }
        }
        return op
    }
}

/// etcdserverpb.TxnRequest.
package struct TxnRequest: Equatable, Sendable {
    package var compares: [Compare] = []
    package var success: [RequestOp] = []
    package var failure: [RequestOp] = []

    package init() {}

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> TxnRequest {
        try decode(bytes, depth: 1)
    }

    static func decode(
        _ bytes: UnsafeRawBufferPointer, depth: Int
    ) throws(ProtobufError) -> TxnRequest {
        guard depth <= txnDepthMax else { throw .nestedTooDeep(limit: txnDepthMax) }
        var txn = TxnRequest()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited):
                txn.compares.append(try .decode(try reader.lengthDelimited()))
            case (2, .lengthDelimited):
                txn.success.append(try .decode(try reader.lengthDelimited(), depth: depth))
            case (3, .lengthDelimited):
                txn.failure.append(try .decode(try reader.lengthDelimited(), depth: depth))
            case (_, let type): try reader.skip(type)
            }
        }
        return txn
    }

    /// Only ranges at the top level: such a transaction is not logged.
    package var isReadOnly: Bool {
        (success + failure).allSatisfy { if case .range = $0 { true } else { false } }
    }

    /// Only serializable ranges, or nothing at all: it may be answered from local state.
    package var isSerializable: Bool {
        (success + failure).allSatisfy {
            if case .range(let range) = $0 { range.isSerializable } else { false }
        }
    }

    /// Whether some branch puts a key: what the NOSPACE alarm refuses.
    package var hasPut: Bool {
        (success + failure).contains { op in
            switch op {
            case .put: true
            case .txn(let nested): nested.hasPut
            case .range, .deleteRange, .empty: false
            }
        }
    }
}
