internal import API
internal import Foundation
internal import SwiftProtobuf

/// One method as the JSON gateway has it: where it is, and how its messages are read and written.
package struct GatewayMethod: Sendable {
    enum Kind: Sendable {
        case unary
        /// Answers come as lines, one message each.
        case serverStream
        /// So do requests: JSON objects one behind the other.
        case bothStreams
    }

    let path: String
    let kind: Kind
    /// A request from JSON as protobuf; throws what is wrong with it.
    package let decode: @Sendable ([UInt8]) throws -> [UInt8]
    /// An answer from protobuf as JSON.
    package let encode: @Sendable ([UInt8]) throws -> [UInt8]

    private init<Request: Message, Response: Message>(
        _ path: String, _ kind: Kind, _ request: Request.Type, _ response: Response.Type
    ) {
        self.path = path
        self.kind = kind
        decode = { json in
            var options = JSONDecodingOptions()
            options.ignoreUnknownFields = true
            // No body at all is an empty message.
            let text = json.isEmpty ? Data("{}".utf8) : Data(json)
            let message = try Request(jsonUTF8Data: text, options: options)
            return try message.serializedBytes()
        }
        encode = { bytes in
            var options = JSONEncodingOptions()
            options.preserveProtoFieldNames = true
            let message = try Response(serializedBytes: bytes)
            return Array(try message.jsonUTF8Data(options: options))
        }
    }

    static func unary<Request: Message, Response: Message>(
        _ path: String, _ request: Request.Type, _ response: Response.Type
    ) -> GatewayMethod { GatewayMethod(path, .unary, request, response) }

    static func serverStream<Request: Message, Response: Message>(
        _ path: String, _ request: Request.Type, _ response: Response.Type
    ) -> GatewayMethod { GatewayMethod(path, .serverStream, request, response) }

    static func bothStreams<Request: Message, Response: Message>(
        _ path: String, _ request: Request.Type, _ response: Response.Type
    ) -> GatewayMethod { GatewayMethod(path, .bothStreams, request, response) }
}
