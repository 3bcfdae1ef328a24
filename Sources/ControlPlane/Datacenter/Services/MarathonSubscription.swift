internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore

/// `GET /v2/events`: server-sent events, on any node. `Last-Event-ID` resumes behind the last one
/// that a client has, whichever node told it.
struct MarathonSubscription: Sendable {
    let access: DeskAccess
    let pass: StreamPass
    /// None: all of them.
    let types: [String]
    /// Nil: what is new.
    let after: UInt64?

    func run(
        _ writer: consuming ResponseWriter, _ channel: any Channel, _ settings: SurfaceSettings
    ) async throws {
        let outbox = EventOutbox<[UInt8]>(bytesMax: settings.eventStreamBytesMax) { _ in
            channel.close(promise: nil)
        }
        let name = MasterIdentity.randomUUID()
        let address = channel.remoteAddress?.ipAddress ?? ""
        try await InboundEnd.watch(channel) { outbox.fail("its connection closed") }
        let held = try await pass.hold(outbox)
        defer { pass.end(held) }
        let types = types
        let after = after
        let isSubscribed = try await access.run {
            $0.marathon.subscribe(
                name, outbox, types: types, after: after, remoteAddress: address)
        }
        guard isSubscribed else {
            try await SurfaceAnswer.unavailable("Too many subscribers").write(to: writer)
            return outbox.written()
        }
        defer { access.post { $0.marathon.closed(name) } }
        var headers = HTTPFields()
        headers[.contentType] = "text/event-stream"
        headers[.cacheControl] = "no-cache"
        try await EventStream.write(outbox, writer, channel, headers: headers) { bytes, buffer in
            buffer.writeBytes(bytes)
        }
    }
}
