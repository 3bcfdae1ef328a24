internal import CNGHTTP2

/// nghttp2's callbacks. They run inside of ``HTTP2Session/receive`` and
/// ``HTTP2Session/nextOutput``, hand everything to the session's connection and streams, and never
/// fail but by a typed code.
enum HTTP2Callbacks {
    /// Written once, before its first use; nghttp2 only reads it.
    nonisolated(unsafe) static let shared: OpaquePointer? = {
        var callbacks: OpaquePointer?
        nghttp2_session_callbacks_new(&callbacks)
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, beginHeaders)
        nghttp2_session_callbacks_set_on_header_callback(callbacks, header)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, dataChunk)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frameReceived)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, streamClosed)
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, invalidFrame)
        return callbacks
    }()

    static func provider(for stream: HTTP2Stream) -> nghttp2_data_provider {
        var provider = nghttp2_data_provider()
        provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
        provider.read_callback = readBody
        return provider
    }

    /// Calls `body` with the session that nghttp2 was given, without counting references: it lives
    /// longer than any call of nghttp2.
    @inline(__always)
    private static func with(
        _ user: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Int32
    ) -> Int32 {
        guard let user else { return 0 }
        return Unmanaged<HTTP2Session>.fromOpaque(user)._withUnsafeGuaranteedRef(body)
    }

    /// The same for the stream of that number, if it has one.
    @inline(__always)
    private static func withStream(
        _ raw: OpaquePointer?, _ streamID: Int32, _ body: (HTTP2Stream) -> Void
    ) {
        guard let pointer = nghttp2_session_get_stream_user_data(raw, streamID) else { return }
        Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef(body)
    }

    private static let beginHeaders: nghttp2_on_begin_headers_callback = { raw, frame, user in
        guard let frame else { return 0 }
        let streamID = frame.pointee.hd.stream_id
        let isRequest = frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
        return with(user) { session in
            if isRequest {
                guard let stream = session.connection.makeStream(streamID) else {
                    return streamFailure
                }
                let unmanaged = Unmanaged.passUnretained(stream)
                nghttp2_session_set_stream_user_data(raw, streamID, unmanaged.toOpaque())
                session.headerStream = unmanaged
            } else {
                session.headerStream = nghttp2_session_get_stream_user_data(raw, streamID).map {
                    Unmanaged<HTTP2Stream>.fromOpaque($0)
                }
            }
            return 0
        }
    }

    private static let header: nghttp2_on_header_callback = {
        _, _, name, nameCount, value, valueCount, _, user in
        with(user) { session in
            session.headerStream?._withUnsafeGuaranteedRef {
                $0.headerReceived(
                    UnsafeRawBufferPointer(start: name, count: nameCount),
                    UnsafeRawBufferPointer(start: value, count: valueCount))
            }
            return 0
        }
    }

    private static let dataChunk: nghttp2_on_data_chunk_recv_callback = {
        raw, _, streamID, bytes, count, user in
        with(user) { session in
            session.connection.bodyBytesReceived(count)
            withStream(raw, streamID) {
                $0.dataReceived(UnsafeRawBufferPointer(start: bytes, count: count))
            }
            return 0
        }
    }

    private static let frameReceived: nghttp2_on_frame_recv_callback = { raw, frame, user in
        guard let frame else { return 0 }
        let head = frame.pointee.hd
        let isFlagged = head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch UInt32(head.type) {
        case NGHTTP2_DATA.rawValue where isFlagged:
            withStream(raw, head.stream_id) { $0.remoteClosed() }
            return 0
        case NGHTTP2_DATA.rawValue where head.length > 0:
            return 0
        case NGHTTP2_HEADERS.rawValue:
            return with(user) { session in
                session.headerStream = nil
                withStream(raw, head.stream_id) { stream in
                    stream.headersReceived(endOfStream: isFlagged)
                    if isFlagged { stream.remoteClosed() }
                }
                return 0
            }
        default:
            return with(user) { session in
                session.connection.controlFrameReceived(controlFrame(frame, isFlagged: isFlagged))
                return 0
            }
        }
    }

    private static func controlFrame(
        _ frame: UnsafePointer<nghttp2_frame>, isFlagged: Bool
    ) -> HTTP2ControlFrame {
        let head = frame.pointee.hd
        switch UInt32(head.type) {
        case NGHTTP2_PING.rawValue: return .ping(isAcknowledgement: isFlagged)
        case NGHTTP2_SETTINGS.rawValue: return .settings(isAcknowledgement: isFlagged)
        case NGHTTP2_GOAWAY.rawValue:
            return .goAway(
                lastStreamID: frame.pointee.goaway.last_stream_id,
                errorCode: frame.pointee.goaway.error_code)
        case NGHTTP2_RST_STREAM.rawValue: return .reset(streamID: head.stream_id)
        case NGHTTP2_WINDOW_UPDATE.rawValue: return .windowUpdate
        default: return .idle
        }
    }

    private static let streamClosed: nghttp2_on_stream_close_callback = {
        raw, streamID, errorCode, user in
        with(user) { session in
            guard let pointer = nghttp2_session_get_stream_user_data(raw, streamID) else {
                return 0
            }
            // Another stream's header block may be half received.
            if session.headerStream?.toOpaque() == pointer { session.headerStream = nil }
            // From here on nobody else may hold it.
            let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
            nghttp2_session_set_stream_user_data(raw, streamID, nil)
            session.connection.detach(stream)
            stream.streamClosed(errorCode: errorCode)
            return 0
        }
    }

    private static let invalidFrame: nghttp2_on_invalid_frame_recv_callback = { _, _, _, user in
        with(user) { session in
            session.connection.invalidFrameReceived()
            return 0
        }
    }

    private static let readBody: nghttp2_data_source_read_callback = {
        _, _, target, capacity, flags, source, _ in
        guard let target, let pointer = source?.pointee.ptr else {
            return bodyFailure
        }
        return Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
            copyBody(of: stream, into: target, capacity: capacity, flags: flags)
        }
    }

    @inline(__always)
    private static func copyBody(
        of stream: HTTP2Stream, into target: UnsafeMutablePointer<UInt8>, capacity: Int,
        flags: UnsafeMutablePointer<UInt32>?
    ) -> Int {
        let before = stream.output.bufferedBytes
        let buffer = UnsafeMutableRawBufferPointer(start: target, count: capacity)
        guard let count = stream.copyOutput(into: buffer) else { return bodyFailure }
        stream.hasWrittenBody = true
        if count > 0 { stream.outputTaken(bufferedBefore: before) }
        guard stream.output.isEmpty else { return count }
        switch stream.ending {
        case .open:
            if count > 0 { return count }
            stream.isDeferred = true
            return bodyDeferred
        case .endOfStream:
            flags?.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
        case .trailers:
            flags?.pointee |=
                NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
            stream.submitTrailers()
        }
        return count
    }
}

/// Resets the one stream with INTERNAL_ERROR; the connection goes on.
private let streamFailure = NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
private let bodyFailure = Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
private let bodyDeferred = Int(NGHTTP2_ERR_DEFERRED.rawValue)
