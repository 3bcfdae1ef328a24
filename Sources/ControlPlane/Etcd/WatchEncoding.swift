internal import Primitives
internal import RPC
internal import StateMachine

/// etcdserverpb.WatchResponse, written by hand: header = 1, watch_id = 2, created = 3, canceled =
/// 4, compact_revision = 5, cancel_reason = 6, fragment = 7, events = 11.
///
/// mvccpb.Event: type = 1 (DELETE is 1), kv = 2, prev_kv = 3.
struct WatchResponse {
    var header: ResponseHeader
    var watchID: Int64 = 0
    var isCreated = false
    var isCanceled = false
    var compactRevision: Int64 = 0
    var cancelReason = ""

    /// The id that stands for no watch: a refused creation, or progress of the whole stream.
    static let noWatchID: Int64 = -1

    func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 64 + cancelReason.utf8.count)
        Self.write(header, into: &writer)
        writer.field(2, watchID)
        writer.field(3, isCreated)
        writer.field(4, isCanceled)
        writer.field(5, compactRevision)
        writer.field(6, cancelReason)
        return writer.bytes
    }

    static func write(_ header: ResponseHeader, into writer: inout ProtobufWriter) {
        writer.message(1, byteCount: header.byteCount)
        header.encode(into: &writer)
    }
}

/// One delivery in its wire form. Everything but the watch id is encoded once; each id's message is
/// framed once and shared by all streams that use the id.
struct EncodedDelivery {
    /// Header and events; with a watch id in front it is a response.
    private let body: [UInt8]
    private var framed: [(watchID: Int64, message: SharedMessage)] = []
    /// Beyond these many ids in one delivery, messages are framed for their watcher alone.
    private static let framedMax = 16

    init(_ events: ArraySlice<WatchEvent>, header: ResponseHeader, isFragment: Bool = false) {
        var byteCount = 64
        for event in events { byteCount += 6 + event.eventByteCount }
        var writer = ProtobufWriter(capacity: byteCount)
        WatchResponse.write(header, into: &writer)
        writer.field(7, isFragment)
        for event in events { event.encode(field: 11, into: &writer) }
        body = writer.bytes
    }

    mutating func message(forWatch watchID: Int64) -> SharedMessage {
        if let known = framed.first(where: { $0.watchID == watchID }) { return known.message }
        let message: SharedMessage
        if watchID == 0 {
            message = SharedMessage(body)
        } else {
            var writer = ProtobufWriter(capacity: body.count + 12)
            writer.field(2, watchID)
            writer.bytes.append(contentsOf: body)
            message = SharedMessage(writer.bytes)
        }
        if framed.count < Self.framedMax { framed.append((watchID, message)) }
        return message
    }

    /// The delivery in pieces of at most `bytesMax` where an event allows, all but the last flagged
    /// as fragments.
    static func fragments(
        of events: [WatchEvent], header: ResponseHeader, bytesMax: Int
    ) -> [EncodedDelivery] {
        var pieces: [EncodedDelivery] = []
        var start = 0
        var byteCount = 0
        for (index, event) in events.enumerated() {
            let cost = 6 + event.eventByteCount
            if index > start, byteCount + cost > bytesMax {
                pieces.append(
                    EncodedDelivery(events[start..<index], header: header, isFragment: true))
                start = index
                byteCount = 0
            }
            byteCount += cost
        }
        pieces.append(EncodedDelivery(events[start...], header: header))
        return pieces
    }
}

extension WatchEvent {
    /// Encoded size as mvccpb.Event, without tag and length.
    var eventByteCount: Int {
        (record.isTombstone ? 2 : 0) + record.embeddedByteCount()
            + (previous?.embeddedByteCount() ?? 0)
    }

    func encode(field number: UInt32, into writer: inout ProtobufWriter) {
        writer.message(number, byteCount: eventByteCount)
        writer.field(1, UInt64(record.isTombstone ? 1 : 0))
        record.encodeKeyValue(field: 2, into: &writer)
        previous?.encodeKeyValue(field: 3, into: &writer)
    }
}
