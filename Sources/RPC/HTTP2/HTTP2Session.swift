internal import CNGHTTP2

/// HTTP/2's error codes (RFC 9113 §7).
package enum HTTP2ErrorCode {
    package static let noError: UInt32 = 0
    package static let protocolError: UInt32 = 1
    package static let internalError: UInt32 = 2
    package static let flowControlError: UInt32 = 3
    package static let refusedStream: UInt32 = 7
    package static let cancel: UInt32 = 8
    package static let enhanceYourCalm: UInt32 = 11
    package static let inadequateSecurity: UInt32 = 12
}

/// What a session announces and bears.
package struct HTTP2SessionSettings {
    package var isServer: Bool
    package var concurrentStreamsMax: Int
    package var streamWindowBytes: Int
    package var connectionWindowBytes: Int
    package var headerListBytesMax: Int
    package var resetBurstMax: UInt64 = 1000
    package var resetsPerSecondMax: UInt64 = 33
}

/// A frame that concerns the connection, or moves nothing.
package enum HTTP2ControlFrame {
    case ping(isAcknowledgement: Bool)
    case settings(isAcknowledgement: Bool)
    case goAway(lastStreamID: Int32, errorCode: UInt32)
    case reset(streamID: Int32)
    case windowUpdate
    /// PRIORITY, empty DATA without END_STREAM: legal, and of no use.
    case idle
}

/// One nghttp2 session: bytes in, bytes out, no I/O of its own.
///
/// Confined to its connection's event loop, hence `@unchecked Sendable`. Everything but `receive`,
/// `nextOutput` and `delete` may be called from within nghttp2's callbacks. Windows are opened
/// only by `consumeConnection` and `consumeStream`.
package final class HTTP2Session: @unchecked Sendable {
    /// Nil once it is deleted: every call is then without effect.
    @exclusivity(unchecked) private(set) var raw: OpaquePointer?
    unowned(unsafe) let connection: HTTP2Connection
    /// The stream whose header block is being received; the connection owns it meanwhile.
    @exclusivity(unchecked) var headerStream: Unmanaged<HTTP2Stream>?
    /// nghttp2 is at work, below us on the stack.
    @exclusivity(unchecked) private(set) var isInside = false

    package init(connection: HTTP2Connection, settings: HTTP2SessionSettings) {
        self.connection = connection
        var option: OpaquePointer?
        nghttp2_option_new(&option)
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_no_closed_streams(option, 1)
        nghttp2_option_set_max_outbound_ack(option, 200)
        nghttp2_option_set_stream_reset_rate_limit(
            option, settings.resetBurstMax, settings.resetsPerSecondMax)
        let user = Unmanaged.passUnretained(self).toOpaque()
        if settings.isServer {
            // ``RequestRules`` judges requests instead.
            nghttp2_option_set_no_http_messaging(option, 1)
            nghttp2_session_server_new2(&raw, HTTP2Callbacks.shared, user, option)
        } else {
            nghttp2_session_client_new2(&raw, HTTP2Callbacks.shared, user, option)
        }
        nghttp2_option_del(option)
        submitSettings(settings)
    }

    deinit {
        if let raw { nghttp2_session_del(raw) }
    }

    private func submitSettings(_ settings: HTTP2SessionSettings) {
        var entries = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.streamWindowBytes),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.headerListBytesMax),
        ]
        if settings.isServer {
            entries.append(
                entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.concurrentStreamsMax))
        } else {
            entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        nghttp2_submit_settings(raw, 0, &entries, entries.count)
        nghttp2_session_set_local_window_size(
            raw, 0, 0, Int32(clamping: settings.connectionWindowBytes))
    }

    private func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
        nghttp2_settings_entry(
            settings_id: Int32(bitPattern: id.rawValue),
            value: UInt32(clamping: min(value, 0x7FFF_FFFF))
        )
    }

    // MARK: Bytes

    /// Feeds what came. False: the connection is broken; what `nextOutput` still gives says why.
    package func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let raw, !isInside, let base = bytes.baseAddress else { return bytes.isEmpty }
        isInside = true
        defer { isInside = false }
        let taken = nghttp2_session_mem_recv(
            raw, base.assumingMemoryBound(to: UInt8.self), bytes.count)
        return taken >= 0
    }

    /// The next frames to send, valid until the next call on the session; nil when there are none.
    package func nextOutput() -> UnsafeRawBufferPointer? {
        guard let raw, !isInside else { return nil }
        isInside = true
        defer { isInside = false }
        var bytes: UnsafePointer<UInt8>?
        let count = nghttp2_session_mem_send(raw, &bytes)
        return count > 0 ? UnsafeRawBufferPointer(start: bytes, count: count) : nil
    }

    /// Neither side has anything to say any more.
    package var isFinished: Bool {
        guard let raw else { return true }
        return nghttp2_session_want_read(raw) == 0 && nghttp2_session_want_write(raw) == 0
    }

    package func delete() {
        guard !isInside, let raw else { return }
        self.raw = nil
        nghttp2_session_del(raw)
    }

    // MARK: Streams

    /// The head of an answer; the stream's output queue and then its trailers follow.
    package func submitResponse(_ stream: HTTP2Stream) {
        var provider = HTTP2Callbacks.provider(for: stream)
        nghttp2_submit_response(
            raw, stream.streamID, HTTP2HeaderBlock.response.fields, HTTP2HeaderBlock.response.count,
            &provider)
    }

    /// An answer without a body.
    func submitHeadersOnly(_ stream: HTTP2Stream, _ block: HTTP2HeaderBlock) {
        nghttp2_submit_response(raw, stream.streamID, block.fields, block.count, nil)
    }

    func submitTrailers(_ stream: HTTP2Stream, _ block: HTTP2HeaderBlock) {
        nghttp2_submit_trailer(raw, stream.streamID, block.fields, block.count)
    }

    /// A request whose body is the stream's output queue. `make` is given the stream's number.
    /// Nil when the connection has no numbers left.
    func submitRequest(
        _ block: HTTP2HeaderBlock, timeout: UnsafeRawBufferPointer?, number: Int32,
        stream: HTTP2Stream
    ) -> Bool {
        guard let raw else { return false }
        var provider = HTTP2Callbacks.provider(for: stream)
        let user = Unmanaged.passUnretained(stream).toOpaque()
        guard let timeout, let base = timeout.baseAddress else {
            return nghttp2_submit_request(raw, nil, block.fields, block.count, &provider, user)
                == number
        }
        let name = Self.timeoutName.utf8Start
        // A different value on nearly every call: kept out of the compression's table.
        block.fields[block.count] = nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name),
            value: UnsafeMutablePointer(mutating: base.assumingMemoryBound(to: UInt8.self)),
            namelen: Self.timeoutName.utf8CodeUnitCount, valuelen: timeout.count,
            flags: UInt8(
                NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_INDEX.rawValue))
        return nghttp2_submit_request(raw, nil, block.fields, block.count + 1, &provider, user)
            == number
    }

    private static let timeoutName: StaticString = "grpc-timeout"

    /// The number that the next request gets; nil when there are none left.
    package var nextStreamID: Int32? {
        guard let raw else { return nil }
        let number = nghttp2_session_get_next_stream_id(raw)
        return number <= UInt32(Int32.max) ? Int32(number) : nil
    }

    package func resume(_ stream: HTTP2Stream) { nghttp2_session_resume_data(raw, stream.streamID) }

    package func reset(streamID: Int32, errorCode: UInt32) {
        guard raw != nil else { return }
        nghttp2_submit_rst_stream(raw, 0, streamID, errorCode)
    }

    package func consumeConnection(_ count: Int) {
        guard raw != nil else { return }
        nghttp2_session_consume_connection(raw, count)
    }

    package func consumeStream(_ streamID: Int32, _ count: Int) {
        guard raw != nil else { return }
        nghttp2_session_consume_stream(raw, streamID, count)
    }

    // MARK: Connection

    package func submitPing() {
        guard raw != nil else { return }
        nghttp2_submit_ping(raw, 0, nil)
    }

    /// Says that no stream is taken from now on; those that were taken go on.
    package func submitGoAway(errorCode: UInt32, reason: StaticString) {
        guard let raw else { return }
        let last = nghttp2_session_get_last_proc_stream_id(raw)
        nghttp2_submit_goaway(
            raw, 0, last, errorCode, reason.utf8Start, reason.utf8CodeUnitCount)
    }

    /// Sends GOAWAY; nothing is read after it.
    package func terminate(errorCode: UInt32) {
        guard raw != nil else { return }
        nghttp2_session_terminate_session(raw, errorCode)
    }
}
