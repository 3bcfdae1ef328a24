import Primitives
package import SwiftProtobuf

/// JSON as Mesos writes and reads it: fields by their names in the .proto files, enums by name,
/// bytes in Base64, 64-bit integers as numbers, nothing for what is not set.
///
/// What is read may differ from that: numbers in strings, `Infinity` in a string, names in
/// lowerCamelCase and `null` for what is not set are understood; unknown names are ignored, as are
/// unknown names of enum values, which leave their field unset. What Mesos takes and this does not:
/// a single value where a list belongs, `null` in a list, a boolean in a string.
///
/// Mesos writes a field that is not set if it has a default that is not zero. This does not: who
/// fills a message for others to read sets what they may look for.
package enum MesosJSON {
    /// - Returns: UTF-8, without white space. Maps are sorted, so that equal messages have equal
    ///   text.
    package static func encode(_ message: some Message) -> [UInt8] {
        var options = JSONEncodingOptions()
        options.alwaysPrintInt64sAsNumbers = true
        options.preserveProtoFieldNames = true
        options.useDeterministicOrdering = true
        do {
            return try message.jsonUTF8Bytes(options: options)
        } catch {
            // Only google.protobuf.Any and its kin can fail, and no message here has any.
            impossible("a Mesos message has no JSON: \(error)")
        }
    }

    /// - Throws: any of ``MesosDecodingError`` but `.protobuf`.
    package static func decode<M: Message>(
        _ type: M.Type, from json: [UInt8], limits: MesosLimits = .standard
    ) throws(MesosDecodingError) -> M {
        guard json.count <= limits.bodyBytesMax else {
            throw .tooLarge(bytes: json.count, max: limits.bodyBytesMax)
        }
        // The library calls itself for each object within a field that it does not know, as often
        // as there are: without this a few hundred kilobytes of braces end the process.
        guard JSONOutline.depth(of: json, atMost: limits.depthMax) else {
            throw .tooDeep(max: limits.depthMax)
        }
        let message: M
        do {
            message = try parse(type, json, limits)
        } catch {
            let path =
                json.count <= limits.searchBytesMax
                ? JSONOutline(json).pathOfFailure { (try? parse(type, $0, limits)) == nil } : ""
            throw .json(reason(error), path: path)
        }
        guard message.isInitialized else { throw .missing(MissingFields.paths(in: message)) }
        return message
    }

    /// Does not ask whether required fields are there.
    private static func parse<M: Message>(
        _ type: M.Type, _ json: [UInt8], _ limits: MesosLimits
    ) throws -> M {
        var options = JSONDecodingOptions()
        options.ignoreUnknownFields = true
        options.messageDepthLimit = limits.depthMax
        return try M(jsonUTF8Bytes: json, options: options)
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? JSONDecodingError else { return "it is malformed" }
        return switch error {
        case .malformedNumber, .leadingZero: "a number is malformed"
        case .numberRange: "a number is out of range"
        case .malformedMap, .unquotedMapKey: "a map is malformed"
        case .malformedBool: "a boolean is malformed"
        case .malformedString: "a string is malformed or missing"
        case .invalidUTF8: "text is not UTF-8"
        case .schemaMismatch: "a value has the wrong type"
        case .illegalNull: "a null is not allowed"
        case .truncated: "it ends too early"
        case .trailingGarbage: "something follows its end"
        case .conflictingOneOf: "two alternatives are set"
        case .messageDepthLimit: "messages are nested too deep"
        case .failure, .missingFieldNames, .unrecognizedEnumValue, .malformedDuration,
            .malformedTimestamp, .malformedFieldMask, .unknownField:
            "it is malformed"
        @unknown default: "it is malformed"
        }
    }
}
