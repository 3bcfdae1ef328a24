package import AgentLogic
package import Primitives

/// What an agent and a supervisor say to each other over a Unix socket: frames of a 32-bit
/// little-endian length and as many bytes.
package enum SupervisorRequest: Equatable, Sendable {
    /// Answered once with how it stands.
    case status
    /// SIGTERM now, SIGKILL after so many milliseconds. Again: the shorter wait counts.
    case kill(graceMillis: UInt64)
    /// Answered with how it stands, now and at each change.
    case subscribe

    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .status: writer.write(UInt8(1))
        case .kill(let grace):
            writer.write(UInt8(2))
            writer.write(grace)
        case .subscribe: writer.write(UInt8(3))
        }
        return writer.bytes
    }

    package init(_ payload: [UInt8]) throws(Primitives.DecodingError) {
        var reader = ByteReader(payload)
        switch try reader.read(UInt8.self) {
        case 1: self = .status
        case 2: self = .kill(graceMillis: try reader.read())
        case 3: self = .subscribe
        default: throw .invalid(field: "request", offset: 0)
        }
        guard reader.isAtEnd else { throw .invalid(field: "request", offset: reader.offset) }
    }
}

package enum SupervisorPhase: Equatable, Sendable {
    case starting
    case running(pid: Int32)
    case exited(ExitReport)

    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .starting: writer.write(UInt8(1))
        case .running(let pid):
            writer.write(UInt8(2))
            writer.write(pid)
        case .exited(let report):
            writer.write(UInt8(3))
            report.encode(into: &writer)
        }
        return writer.bytes
    }

    package init(_ payload: [UInt8]) throws(Primitives.DecodingError) {
        var reader = ByteReader(payload)
        switch try reader.read(UInt8.self) {
        case 1: self = .starting
        case 2: self = .running(pid: try reader.read())
        case 3: self = .exited(try ExitReport(from: &reader))
        default: throw .invalid(field: "phase", offset: 0)
        }
        guard reader.isAtEnd else { throw .invalid(field: "phase", offset: reader.offset) }
    }
}

/// Takes bytes as they come and gives whole frames.
package struct FrameBuffer: Sendable {
    package static let frameBytesMax = 64 << 10
    private var bytes: [UInt8] = []

    package init() {}

    package mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// - Throws: for a length beyond ``frameBytesMax``; the connection is then of no more use.
    package mutating func next() throws(Primitives.DecodingError) -> [UInt8]? {
        guard bytes.count >= 4 else { return nil }
        var reader = ByteReader(bytes)
        let count = Int(try reader.read(UInt32.self))
        guard count <= Self.frameBytesMax else { throw .invalid(field: "length", offset: 0) }
        guard reader.remaining >= count else { return nil }
        let frame = try reader.readBytes(count)
        bytes.removeFirst(4 + count)
        return frame
    }

    package static func frame(_ payload: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(capacity: payload.count + 4)
        writer.writeLengthPrefixed(payload)
        return writer.bytes
    }
}
