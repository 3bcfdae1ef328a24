internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine

/// `KV.RangeStream`: a range in chunks, for results that do not fit one message.
///
/// All chunks show one revision. The first is small, so that the client sees something soon; the
/// others are as large as a request may be. Header, more and count are on the last one only.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
final class RangeStreamCall: ServerStream, @unchecked Sendable {
    private let call: ServerCall
    private let service: KVService
    private var hasRequest = false
    private var answer: RangeAnswer?
    private var header: ResponseHeader?
    private var next = 0

    private static let firstChunkKeys = 10

    init(call: ServerCall, service: KVService) {
        self.call = call
        self.service = service
    }

    func received(_ message: [UInt8]) {
        guard !hasRequest else { return call.finish(.malformed) }
        hasRequest = true
        guard let request = service.admit(call, message) else { return }
        guard request.hasDefaultOrder, !request.hasRevisionFilters else {
            return call.finish(
                RPCStatus(
                    .unimplemented,
                    "etcdserver: range stream is in key order and without revision filters"))
        }
        service.whenReadable(call, request) {
            self.service.evaluate(self.call, request) { self.start($0) }
        }
    }

    func halfClosed() {
        if !hasRequest { call.finish(.malformed) }
    }

    func closed(cancelled: Bool) { answer = nil }
    func writable() { send() }

    private func start(_ answer: RangeAnswer) {
        self.answer = answer
        header = service.node.header(revision: answer.result.revision)
        send()
    }

    private func send() {
        while call.isOpen, call.isWritable, let result = answer?.result, let header {
            let isFirst = next == 0
            let start = next
            var byteCount = 0
            while next < result.records.count, byteCount < service.node.requestBytesMax,
                !isFirst || next < Self.firstChunkKeys
            {
                byteCount += result.records[next].embeddedByteCount(result.form)
                next += 1
            }
            let isLast = next == result.records.count
            call.send(Self.chunk(result, start..<next, byteCount, isLast ? header : nil))
            if isLast {
                answer = nil
                call.finish(.ok)
            }
        }
    }

    /// RangeStreamResponse: range_response = 1.
    private static func chunk(
        _ result: RangeResult, _ range: Range<Int>, _ recordBytes: Int, _ header: ResponseHeader?
    ) -> [UInt8] {
        var byteCount = recordBytes
        if let header {
            byteCount += header.embeddedByteCount + (result.more ? 2 : 0)
            byteCount += ProtobufWriter.fieldByteCount(4, UInt64(bitPattern: result.count))
        }
        var writer = ProtobufWriter(capacity: byteCount + 8)
        writer.message(1, byteCount: byteCount)
        header?.encodeField(into: &writer)
        for record in result.records[range] {
            record.encodeKeyValue(field: 2, into: &writer, result.form)
        }
        if header != nil {
            writer.field(3, result.more)
            writer.field(4, result.count)
        }
        return writer.bytes
    }
}
