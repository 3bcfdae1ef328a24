internal import Foundation
package import HTTPTypes

/// Who a request says that it comes from, before anybody has looked whether that is so.
package enum GivenCredentials: Equatable, Sendable {
    /// It says nothing.
    case none
    case password(user: [UInt8], [UInt8])
    case token(String)
    /// It says something that cannot be read.
    case unreadable

    /// Of a header's value: a name, a colon and a password in base64, or a token.
    private static let bytesMax = 12 << 10

    /// - Parameter fields: `Authorization`, as often as it is there: `Basic` (RFC 7617), `Bearer`
    ///   (RFC 6750), `token=` as DC/OS has it, or a bare token as etcd's gateway takes it.
    package init(authorization fields: [String]) {
        guard let field = fields.first else {
            self = .none
            return
        }
        let text = field.trimmingPrefix { $0 == " " || $0 == "\t" }
        // Two that differ would be two users.
        guard fields.count == 1, !text.isEmpty, text.utf8.count <= Self.bytesMax else {
            self = .unreadable
            return
        }
        let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.count > 1 ? parts[1].trimmingPrefix { $0 == " " } : ""
        switch parts[0].lowercased() {
        case "basic": self = Self.basic(rest)
        case "bearer": self = Self.token(rest)
        default:
            guard parts.count == 1 else {
                self = .unreadable
                return
            }
            let name = "token="
            self = Self.token(
                text.lowercased().hasPrefix(name) ? text.dropFirst(name.count) : text)
        }
    }

    package init(_ headers: HTTPFields) {
        self.init(authorization: headers[values: .authorization])
    }

    private static func token(_ text: Substring) -> GivenCredentials {
        let isPlain = text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        return text.isEmpty || !isPlain ? .unreadable : .token(String(text))
    }

    /// The password may be empty and may have colons; the name has none.
    private static func basic(_ text: Substring) -> GivenCredentials {
        guard let bytes = Data(base64Encoded: String(text)),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon > bytes.startIndex
        else { return .unreadable }
        return .password(user: Array(bytes[..<colon]), Array(bytes[(colon + 1)...]))
    }
}
