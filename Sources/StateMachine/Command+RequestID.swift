internal import Primitives

extension Command {
    /// Whose request an encoded command is, without decoding the rest; nil where it is no command
    /// of a version that this code knows.
    package static func requestID(of payload: [UInt8]) -> RequestID? {
        guard payload.count >= CommandHeader.fixedByteCount, payload[0] == CommandHeader.version
        else { return nil }
        return payload.withUnsafeBytes { raw in
            func load(_ offset: Int) -> UInt64 {
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            return RequestID(
                origin: NodeID(load(24)), boot: BootNumber(load(32)), sequence: load(40))
        }
    }
}
