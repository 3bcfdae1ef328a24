internal import API
internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore

/// `GET /ui/api/live`: server-sent events, first `state` with all records, then `changes` as they
/// are applied, and `overview` once a second. Any node tells them.
struct DashboardStream: Sendable {
    let access: DeskAccess
    let pass: StreamPass

    func run(
        _ writer: consuming ResponseWriter, _ channel: any Channel, _ settings: SurfaceSettings
    ) async throws {
        let outbox = EventOutbox<DashboardNotice>(bytesMax: settings.streamBytesMax) { _ in
            channel.close(promise: nil)
        }
        let name = MasterIdentity.randomUUID()
        try await InboundEnd.watch(channel) { outbox.fail("its connection closed") }
        let held = try await pass.hold(outbox)
        defer { pass.end(held) }
        let launches = try await DatacenterSnapshot.take(access, withLaunches: true).launches
        let isSubscribed = try await access.run { desk in
            desk.dashboards.subscribe(name, outbox, launches: launches)
        }
        guard isSubscribed else {
            try await SurfaceAnswer.unavailable("Too many subscribers").write(to: writer)
            return outbox.written()
        }
        do {
            try await write(outbox, writer, channel)
        } catch {
            access.post { $0.dashboards.closed(name) }
            throw error
        }
        access.post { $0.dashboards.closed(name) }
    }

    private func write(
        _ outbox: EventOutbox<DashboardNotice>, _ writer: consuming ResponseWriter,
        _ channel: any Channel
    ) async throws {
        var head = HTTPResponse(status: .ok, headerFields: DashboardAnswer.headers)
        head.headerFields[.contentType] = "text/event-stream"
        head.headerFields[.cacheControl] = "no-store"
        var body = try await writer.writeHead(head)
        // How soon a browser comes back, in milliseconds.
        try await body.write(ByteBuffer(string: "retry: 1000\n\n"))
        while let batch = await outbox.next(bytes: EventStream.batchBytes) {
            var buffer = ByteBuffer()
            for notice in batch { buffer.writeBytes(notice.event) }
            try await body.write(buffer)
        }
        if let failure = outbox.failure { throw EventStreamFailure(reason: failure) }
        try await body.finish(nil)
        outbox.written()
        channel.close(mode: .output, promise: nil)
    }
}
