internal import Monitoring
internal import NIOCore

/// What the header block of a request said, as far as the server needs it. Known fields are
/// recognised by length and bytes; nothing is turned into a string before somebody asks.
struct RequestHead {
    var route: RPCRoutes.Route?
    /// Only for a path that no route has.
    private(set) var unknownPath: [UInt8] = []
    private(set) var isPost = false
    /// `application/grpc`, alone or with `+` or `;` behind it.
    private(set) var isGRPC = false
    private(set) var contentType: [UInt8] = []
    private(set) var timeout: TimeAmount?
    private(set) var isTimeoutMalformed = false
    /// Empty: identity.
    private(set) var encoding: [UInt8] = []
    private(set) var byteCount = 0
    /// Name, value, name, value, each with a length of four bytes before it.
    private var metadata: [UInt8] = []

    /// How much a field adds to the size of a header list (RFC 9113 §6.5.2).
    private static let fieldOverheadBytes = 32

    mutating func add(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, routes: RouteTable,
        byteCountMax: Int
    ) {
        byteCount += name.count + value.count + Self.fieldOverheadBytes
        guard byteCount <= byteCountMax else { return }
        switch name.count {
        case 5 where name.equals(":path"):
            route = routes.find(value)
            if route == nil { unknownPath = Array(value) }
            return
        case 7 where name.equals(":method"):
            isPost = value.equals("POST")
            return
        case 2 where name.equals("te"): return
        case 7 where name.equals(":scheme"): return
        case 10 where name.equals(":authority") || name.equals("user-agent"): return
        case 12 where name.equals("content-type"):
            isGRPC = Self.isGRPCContentType(value)
            if !isGRPC { contentType = Array(value.prefix(256)) }
            return
        case 12 where name.equals("grpc-timeout"):
            timeout = TimeoutHeader.decode(value)
            isTimeoutMalformed = timeout == nil
            return
        case 13 where name.equals("grpc-encoding"):
            encoding = value.equals("identity") ? [] : Array(value.prefix(64))
            return
        case 14 where name.equals("content-length"): return
        case 15 where name.equals("accept-encoding"): return
        case 20 where name.equals("grpc-accept-encoding"): return
        default: break
        }
        append(name)
        append(value)
    }

    private static func isGRPCContentType(_ value: UnsafeRawBufferPointer) -> Bool {
        let base: StaticString = "application/grpc"
        guard value.count >= base.utf8CodeUnitCount,
            UnsafeRawBufferPointer(rebasing: value[..<base.utf8CodeUnitCount]).equals(base)
        else { return false }
        guard value.count > base.utf8CodeUnitCount else { return true }
        let next = value[base.utf8CodeUnitCount]
        return next == UInt8(ascii: "+") || next == UInt8(ascii: ";")
    }

    private mutating func append(_ bytes: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count)) {
            metadata.append(contentsOf: $0)
        }
        metadata.append(contentsOf: bytes)
    }

    /// The value of the first field with that name (lower case), which must not be one of HTTP's or
    /// gRPC's own.
    func metadata(_ name: String) -> [UInt8]? {
        let wanted = Array(name.utf8)
        var offset = 0
        while let (field, afterName) = field(at: offset),
            let (value, end) = self.field(at: afterName)
        {
            if metadata[field].elementsEqual(wanted) { return Array(metadata[value]) }
            offset = end
        }
        return nil
    }

    /// What the caller says of the trace that its request belongs to. Nil where it says nothing
    /// that counts.
    var traceParent: TraceParent? {
        var offset = 0
        while let (name, afterName) = field(at: offset),
            let (value, end) = field(at: afterName)
        {
            let isFound = metadata.withUnsafeBytes {
                UnsafeRawBufferPointer(rebasing: $0[name]).equals("traceparent")
            }
            if isFound { return TraceParent(metadata[value]) }
            offset = end
        }
        return nil
    }

    private func field(at offset: Int) -> (Range<Int>, Int)? {
        let start = offset + 4
        guard start <= metadata.count else { return nil }
        let count = metadata.withUnsafeBytes {
            Int($0.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        guard count <= metadata.count - start else { return nil }
        return (start..<(start + count), start + count)
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return false }
        return memoryEquals(baseAddress, text.utf8Start, count)
    }
}
