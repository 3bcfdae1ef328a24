internal import API
internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore
internal import SwiftProtobuf

/// An answer that does not end: Mesos' records, one behind the other (docs/recordio.md), or
/// server-sent events.
enum EventStream {
    /// Bytes that are written at once, about.
    static let batchBytes = 256 << 10

    /// Writes records of Mesos' until the outbox ends.
    static func write<Element: Sendable, Event: Message>(
        _ outbox: EventOutbox<Element>, _ writer: consuming ResponseWriter,
        _ channel: any Channel, encoding: MesosMessage.Encoding, headers: HTTPFields,
        _ message: (Element) -> Event
    ) async throws {
        var headers = headers
        headers[.contentType] = encoding.contentType.rawValue
        try await write(outbox, writer, channel, headers: headers) { element, buffer in
            let record = MesosMessage.encode(message(element), as: encoding)
            buffer.writeBytes(RecordIO.header(count: record.count))
            buffer.writeBytes(record)
        }
    }

    /// Writes until the outbox ends, and closes the connection behind what is written: clients take
    /// that for the end. Who reads slowly holds it up here, and the outbox fills.
    static func write<Element: Sendable>(
        _ outbox: EventOutbox<Element>, _ writer: consuming ResponseWriter,
        _ channel: any Channel, headers: HTTPFields,
        _ encode: (Element, inout ByteBuffer) -> Void
    ) async throws {
        var body = try await writer.writeHead(HTTPResponse(status: .ok, headerFields: headers))
        while let batch = await outbox.next(bytes: batchBytes) {
            var buffer = ByteBuffer()
            for element in batch { encode(element, &buffer) }
            try await body.write(buffer)
        }
        if let failure = outbox.failure { throw EventStreamFailure(reason: failure) }
        try await body.finish(nil)
        outbox.written()
        channel.close(mode: .output, promise: nil)
    }
}

/// A stream that was cut off.
struct EventStreamFailure: Error {
    var reason: String
}

extension SurfaceAnswer {
    func write(to writer: consuming ResponseWriter, withBody: Bool = true) async throws {
        var head = HTTPResponse(status: .init(code: status), headerFields: headers)
        head.headerFields[.contentLength] = String(body.count)
        guard withBody, !body.isEmpty else { return try await writer.writeResponse(head) }
        try await writer.write(
            response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}
