/// Why bytes from a client are not the message that they should be.
package enum MesosDecodingError: Error, Equatable, Sendable {
    case tooLarge(bytes: Int, max: Int)
    case tooDeep(max: Int)
    /// Not JSON, or a value that its field cannot have. `path` is that field's, such as
    /// `accept.operations[2].launch`, and empty where it is not known.
    case json(String, path: String)
    case protobuf
    /// Paths of required fields that are not set, at most
    /// ``MissingFields/pathsMax`` of them.
    case missing([String])
}

extension MesosDecodingError: CustomStringConvertible {
    /// As it is told to the client.
    package var description: String {
        switch self {
        case .tooLarge(let bytes, let max):
            "Failed to parse body: \(bytes) bytes are more than \(max)"
        case .tooDeep(let max):
            "Failed to parse body: it is nested deeper than \(max) levels"
        case .json(let reason, let path) where path.isEmpty:
            "Failed to parse body into JSON: \(reason)"
        case .json(let reason, let path):
            "Failed to convert JSON into protobuf: \(reason) at '\(path)'"
        case .protobuf:
            "Failed to parse body into protobuf"
        case .missing(let paths):
            "Missing required fields: \(paths.joined(separator: ", "))"
        }
    }
}
