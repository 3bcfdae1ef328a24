package import Primitives

/// Encoders of etcdserverpb's responses. Each message knows its size before it is written, so that
/// nested ones go into one buffer and a large one can be sent piece by piece.
extension Outcome {
    /// The response message, or nil for an outcome that has none (``none``, ``failed``,
    /// ``member``, ``downgrade``).
    package func encodeResponse(_ header: ResponseHeader) -> [UInt8]? {
        switch self {
        case .none, .failed, .member, .downgrade, .datacenter: return nil
        case .put(let previous): return Response.put(header, previous: previous)
        case .deleteRange(let deleted, let previous):
            return Response.deleteRange(header, deleted: deleted, previous: previous)
        case .txn(let result): return Response.txn(header, result)
        case .compact, .leaseRevoke, .auth: return Response.header(header)
        case .leaseGrant(let id, let seconds):
            return Response.leaseGrant(header, id: id, seconds: seconds)
        case .alarms(let alarms): return Response.alarms(header, alarms)
        }
    }
}

package enum Response {
    /// A message that is a header alone: CompactionResponse, LeaseRevokeResponse and others.
    package static func header(_ header: ResponseHeader) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 40)
        header.encodeField(into: &writer)
        return writer.bytes
    }

    package static func put(_ header: ResponseHeader, previous: Record?) -> [UInt8] {
        let count = header.embeddedByteCount + (previous?.embeddedByteCount() ?? 0)
        var writer = ProtobufWriter(capacity: count)
        encodePut(header, previous, &writer)
        return writer.bytes
    }

    package static func deleteRange(
        _ header: ResponseHeader, deleted: Int64, previous: [Record]
    ) -> [UInt8] {
        var writer = ProtobufWriter(
            capacity: deleteRangeByteCount(header, deleted, previous))
        encodeDeleteRange(header, deleted, previous, &writer)
        return writer.bytes
    }

    package static func range(_ header: ResponseHeader, _ result: RangeResult) -> [UInt8] {
        var writer = ProtobufWriter(capacity: rangeByteCount(header, result))
        encodeRange(header, result, &writer)
        return writer.bytes
    }

    package static func txn(_ header: ResponseHeader, _ result: TxnResult) -> [UInt8] {
        var writer = ProtobufWriter(capacity: txnByteCount(header, result))
        encodeTxn(header, result, &writer)
        return writer.bytes
    }

    package static func leaseGrant(
        _ header: ResponseHeader, id: Int64, seconds: Int64
    ) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 64)
        header.encodeField(into: &writer)
        writer.field(2, id)
        writer.field(3, seconds)
        return writer.bytes
    }

    /// LeaseKeepAliveResponse; zero seconds for a lease that is not there.
    package static func leaseKeepAlive(
        _ header: ResponseHeader, id: Int64, seconds: Int64
    ) -> [UInt8] {
        leaseGrant(header, id: id, seconds: seconds)
    }

    /// LeaseTimeToLiveResponse; -1 remaining for a lease that is not there.
    package static func leaseTimeToLive(
        _ header: ResponseHeader, id: Int64, remainingSeconds: Int64, grantedSeconds: Int64,
        keys: [Bytes]
    ) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 96)
        header.encodeField(into: &writer)
        writer.field(2, id)
        writer.field(3, remainingSeconds)
        writer.field(4, grantedSeconds)
        for key in keys { writer.field(5, key.storage) }
        return writer.bytes
    }

    /// LeaseLeasesResponse.
    package static func leases(_ header: ResponseHeader, ids: [Int64]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 40 + ids.count * 12)
        header.encodeField(into: &writer)
        for id in ids {
            writer.message(
                2, byteCount: ProtobufWriter.fieldByteCount(1, UInt64(bitPattern: id)))
            writer.field(1, id)
        }
        return writer.bytes
    }

    package static func alarms(_ header: ResponseHeader, _ alarms: [AlarmMember]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 40 + alarms.count * 16)
        header.encodeField(into: &writer)
        for alarm in alarms {
            let kind = UInt64(UInt32(bitPattern: alarm.kind.rawValue))
            writer.message(
                2,
                byteCount: ProtobufWriter.fieldByteCount(1, alarm.member.rawValue)
                    + ProtobufWriter.fieldByteCount(2, kind))
            writer.field(1, alarm.member.rawValue)
            writer.field(2, kind)
        }
        return writer.bytes
    }
}

// MARK: - Pieces

extension Response {
    private static func encodePut(
        _ header: ResponseHeader, _ previous: Record?, _ writer: inout ProtobufWriter
    ) {
        header.encodeField(into: &writer)
        previous?.encodeKeyValue(field: 2, into: &writer)
    }

    private static func deleteRangeByteCount(
        _ header: ResponseHeader, _ deleted: Int64, _ previous: [Record]
    ) -> Int {
        previous.reduce(
            header.embeddedByteCount
                + ProtobufWriter.fieldByteCount(2, UInt64(bitPattern: deleted))
        ) { $0 + $1.embeddedByteCount() }
    }

    private static func encodeDeleteRange(
        _ header: ResponseHeader, _ deleted: Int64, _ previous: [Record],
        _ writer: inout ProtobufWriter
    ) {
        header.encodeField(into: &writer)
        writer.field(2, deleted)
        for record in previous { record.encodeKeyValue(field: 3, into: &writer) }
    }

    /// Size of a RangeResponse.
    package static func rangeByteCount(_ header: ResponseHeader, _ result: RangeResult) -> Int {
        result.records.reduce(
            header.embeddedByteCount + rangeTailByteCount(more: result.more, count: result.count)
        ) { $0 + $1.embeddedByteCount(result.form) }
    }

    package static func rangeTailByteCount(more: Bool, count: Int64) -> Int {
        (more ? 2 : 0) + ProtobufWriter.fieldByteCount(4, UInt64(bitPattern: count))
    }

    package static func encodeRangeTail(more: Bool, count: Int64, _ writer: inout ProtobufWriter) {
        writer.field(3, more)
        writer.field(4, count)
    }

    private static func encodeRange(
        _ header: ResponseHeader, _ result: RangeResult, _ writer: inout ProtobufWriter
    ) {
        header.encodeField(into: &writer)
        for record in result.records {
            record.encodeKeyValue(field: 2, into: &writer, result.form)
        }
        encodeRangeTail(more: result.more, count: result.count, &writer)
    }

    private static func txnByteCount(_ header: ResponseHeader, _ result: TxnResult) -> Int {
        result.responses.reduce(header.embeddedByteCount + (result.succeeded ? 2 : 0)) {
            let op = operationByteCount($1)
            return $0 + 1 + ProtobufWriter.varintByteCount(UInt64(op)) + op
        }
    }

    private static func encodeTxn(
        _ header: ResponseHeader, _ result: TxnResult, _ writer: inout ProtobufWriter
    ) {
        header.encodeField(into: &writer)
        writer.field(2, result.succeeded)
        for response in result.responses {
            writer.message(3, byteCount: operationByteCount(response))
            encodeOperation(response, &writer)
        }
    }

    /// A nested transaction's header is there but empty, as etcd sends it.
    private static let emptyHeader = ResponseHeader(revision: .zero)

    private static func operationBodyByteCount(_ result: OperationResult) -> Int {
        switch result {
        case .range(let revision, let range):
            let header = ResponseHeader(revision: revision)
            return range.map { rangeByteCount(header, $0) } ?? header.embeddedByteCount
        case .put(let revision, let previous):
            return ResponseHeader(revision: revision).embeddedByteCount
                + (previous?.embeddedByteCount() ?? 0)
        case .deleteRange(let revision, let deleted, let previous):
            return deleteRangeByteCount(ResponseHeader(revision: revision), deleted, previous)
        case .txn(let txn): return txnByteCount(emptyHeader, txn)
        case .empty: return 0
        }
    }

    private static func operationByteCount(_ result: OperationResult) -> Int {
        if case .empty = result { return 0 }
        let body = operationBodyByteCount(result)
        return 1 + ProtobufWriter.varintByteCount(UInt64(body)) + body
    }

    private static func encodeOperation(
        _ result: OperationResult, _ writer: inout ProtobufWriter
    ) {
        let count = operationBodyByteCount(result)
        switch result {
        case .range(let revision, let range):
            writer.message(1, byteCount: count)
            let header = ResponseHeader(revision: revision)
            if let range {
                encodeRange(header, range, &writer)
            } else {
                header.encodeField(into: &writer)
            }
        case .put(let revision, let previous):
            writer.message(2, byteCount: count)
            encodePut(ResponseHeader(revision: revision), previous, &writer)
        case .deleteRange(let revision, let deleted, let previous):
            writer.message(3, byteCount: count)
            encodeDeleteRange(ResponseHeader(revision: revision), deleted, previous, &writer)
        case .txn(let txn):
            writer.message(4, byteCount: count)
            encodeTxn(emptyHeader, txn, &writer)
        case .empty: break
        }
    }
}
