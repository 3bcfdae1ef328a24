internal import CNGHTTP2

/// Header fields in the form that nghttp2 takes, built once and used for any number of streams.
///
/// Immutable after its initialiser, hence `@unchecked Sendable`. `fields` has room for one more
/// field at its end, which a caller fills for one submission.
final class HTTP2HeaderBlock: @unchecked Sendable {
    private let bytes: UnsafeMutablePointer<UInt8>
    let fields: UnsafeMutablePointer<nghttp2_nv>
    let count: Int

    /// - Parameter isKept: the block outlives every frame that is made of it, so that nghttp2 need
    /// not
    ///   copy its bytes.
    init(_ list: [(name: [UInt8], value: [UInt8])], isKept: Bool) {
        let byteCount = list.reduce(0) { $0 + $1.name.count + $1.value.count }
        bytes = .allocate(capacity: max(1, byteCount))
        bytes.initialize(repeating: 0, count: max(1, byteCount))
        count = list.count
        fields = .allocate(capacity: count + 1)
        fields.initialize(repeating: nghttp2_nv(), count: count + 1)
        var offset = 0
        for (index, field) in list.enumerated() {
            let name = bytes + offset
            for (position, byte) in field.name.enumerated() { name[position] = byte }
            offset += field.name.count
            let value = bytes + offset
            for (position, byte) in field.value.enumerated() { value[position] = byte }
            offset += field.value.count
            fields[index] = nghttp2_nv(
                name: name, value: value, namelen: field.name.count, valuelen: field.value.count,
                flags: isKept ? Self.noCopy : 0)
        }
    }

    convenience init(_ list: [(String, String)], isKept: Bool) {
        self.init(list.map { (name: Array($0.0.utf8), value: Array($0.1.utf8)) }, isKept: isKept)
    }

    deinit {
        bytes.deallocate()
        fields.deallocate()
    }

    private static let noCopy = UInt8(
        NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)

    /// The head of every answer with a body.
    static let response = HTTP2HeaderBlock(
        [
            (":status", "200"), ("content-type", "application/grpc"),
        ], isKept: true)
    /// The trailers of every call that succeeded.
    static let trailersOK = HTTP2HeaderBlock([("grpc-status", "0")], isKept: true)
}
