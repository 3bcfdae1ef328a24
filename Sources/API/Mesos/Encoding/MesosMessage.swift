import Primitives
package import SwiftProtobuf

/// Messages in either of the two encodings.
package enum MesosMessage {
    package enum Encoding: Sendable, Equatable {
        case json
        case protobuf

        package var contentType: MesosContentType {
            switch self {
            case .json: .json
            case .protobuf: .protobuf
            }
        }
    }

    /// Required fields that are not set are left out.
    package static func encode(_ message: some Message, as encoding: Encoding) -> [UInt8] {
        switch encoding {
        case .json: return MesosJSON.encode(message)
        case .protobuf:
            do {
                return try message.serializedBytes(partial: true)
            } catch {
                // What is too large for protobuf (2 GiB) is far above what is read or kept.
                impossible("a Mesos message has no binary form: \(error)")
            }
        }
    }

    /// Fields that are not known are kept in the binary encoding, and dropped in JSON.
    package static func decode<M: Message>(
        _ type: M.Type, from bytes: [UInt8], as encoding: Encoding,
        limits: MesosLimits = .standard
    ) throws(MesosDecodingError) -> M {
        switch encoding {
        case .json: return try MesosJSON.decode(type, from: bytes, limits: limits)
        case .protobuf: return try decodeBinary(type, bytes, limits)
        }
    }

    private static func decodeBinary<M: Message>(
        _ type: M.Type, _ bytes: [UInt8], _ limits: MesosLimits
    ) throws(MesosDecodingError) -> M {
        guard bytes.count <= limits.bodyBytesMax else {
            throw .tooLarge(bytes: bytes.count, max: limits.bodyBytesMax)
        }
        var options = BinaryDecodingOptions()
        options.messageDepthLimit = limits.depthMax
        let message: M
        do {
            message = try M(serializedBytes: bytes, partial: true, options: options)
        } catch BinaryDecodingError.messageDepthLimit {
            throw .tooDeep(max: limits.depthMax)
        } catch {
            throw .protobuf
        }
        guard message.isInitialized else { throw .missing(MissingFields.paths(in: message)) }
        return message
    }
}
