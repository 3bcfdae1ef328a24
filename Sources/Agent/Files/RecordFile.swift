package import AgentLogic
internal import Glibc
package import Primitives

/// A small file that is replaced as a whole, or a frame of the same form.
///
/// Bytes: `KLSNAGNT`, kind (1 byte), version (1 byte, 1), 2 zero bytes, length of the payload
/// (4 bytes, little-endian), the payload, CRC-32C of everything before it (4 bytes). Valid when
/// all of it is as said and nothing follows.
///
/// Written as `NAME.new`, synced, renamed over `NAME`, and the directory synced: after a power loss
/// there is the old file or the new one. A file that is invalid was damaged later, and is never
/// guessed at.
package enum RecordFile {
    package enum Kind: UInt8, CaseIterable, Sendable {
        case mark = 1
        case task
        case run
        case start
        case exit
        case bar
    }

    private static let magic = Array("KLSNAGNT".utf8)
    private static let version: UInt8 = 1

    package static func encode(_ kind: Kind, _ payload: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(capacity: payload.count + 20)
        writer.write(magic)
        writer.write(kind.rawValue)
        writer.write(version)
        writer.write(UInt16(0))
        writer.writeLengthPrefixed(payload)
        writer.write(Checksum.crc32c(writer.bytes))
        return writer.bytes
    }

    /// The payload.
    /// - Throws: ``AgentError/untrusted(path:why:)``, whatever the bytes are.
    package static func decode(
        _ kind: Kind, _ bytes: [UInt8], path: String
    ) throws(AgentError) -> [UInt8] {
        var reader = ByteReader(bytes)
        do {
            guard try reader.readBytes(magic.count) == magic else {
                throw AgentError.untrusted(path: path, why: "it is no record")
            }
            guard try reader.read(UInt8.self) == kind.rawValue,
                try reader.read(UInt8.self) == version, try reader.read(UInt16.self) == 0
            else { throw AgentError.untrusted(path: path, why: "another kind or version") }
            let payload = try reader.readLengthPrefixed(limit: AgentLimits.recordBytesMax)
            let checked = reader.offset
            let sum = try reader.read(UInt32.self)
            guard reader.isAtEnd else {
                throw AgentError.untrusted(path: path, why: "\(reader.remaining) bytes too many")
            }
            guard sum == Checksum.crc32c(Array(bytes[0..<checked])) else {
                throw AgentError.untrusted(path: path, why: "the checksum does not match")
            }
            return payload
        } catch let error as AgentError {
            throw error
        } catch {
            throw .untrusted(path: path, why: "\(error)")
        }
    }

    /// The payload decoded to its last byte.
    package static func decode<Value>(
        _ kind: Kind, _ bytes: [UInt8], path: String,
        as body: (inout ByteReader) throws(Primitives.DecodingError) -> Value
    ) throws(AgentError) -> Value {
        var reader = ByteReader(try decode(kind, bytes, path: path))
        let value: Value
        do {
            value = try body(&reader)
        } catch {
            throw .untrusted(path: path, why: "\(error)")
        }
        guard reader.isAtEnd else {
            throw .untrusted(path: path, why: "\(reader.remaining) bytes of payload too many")
        }
        return value
    }

    /// Nil when there is no file.
    package static func read<Value>(
        _ kind: Kind, at path: String,
        as body: (inout ByteReader) throws(Primitives.DecodingError) -> Value
    ) throws(AgentError) -> Value? {
        let bytes: [UInt8]
        do {
            bytes = try SystemCall.readFile(path, limit: AgentLimits.recordBytesMax + 64)
        } catch .io(_, _, ENOENT) {
            return nil
        } catch .limit {
            throw .untrusted(path: path, why: "it is larger than any record")
        }
        return try decode(kind, bytes, path: path, as: body)
    }

    /// Durable when it returns. Cost: two syncs.
    package static func write(
        _ kind: Kind, _ payload: [UInt8], at path: String
    ) throws(AgentError) {
        let new = path + ".new"
        let descriptor = try SystemCall.open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        do {
            defer { close(descriptor) }
            try SystemCall.writeAll(descriptor, new, encode(kind, payload))
            // Not repeated after EINTR: a failed sync is final.
            if fsync(descriptor) != 0 { throw .io(operation: "sync", path: new, errno: errno) }
        }
        try SystemCall.check("rename", path) { rename(new, path) }
        try syncParent(of: path)
    }

    package static func syncDirectory(_ path: String) throws(AgentError) {
        let descriptor = try SystemCall.open(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw .io(operation: "sync", path: path, errno: errno) }
    }

    static func syncParent(of path: String) throws(AgentError) {
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        try syncDirectory(parent.isEmpty ? "/" : parent)
    }
}
