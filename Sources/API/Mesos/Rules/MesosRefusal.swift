/// An answer other than success: an HTTP status and what its body says.
package struct MesosRefusal: Error, Equatable, Sendable {
    package var status: Int
    package var message: String

    package init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    package static func badRequest(_ message: String) -> MesosRefusal { .init(400, message) }

    package init(_ error: MesosDecodingError) {
        switch error {
        case .tooLarge: self.init(413, error.description)
        case .tooDeep, .json, .protobuf, .missing: self.init(400, error.description)
        }
    }
}
