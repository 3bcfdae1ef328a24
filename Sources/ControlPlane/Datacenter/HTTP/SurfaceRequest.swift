internal import API
internal import HTTPTypes

/// A request whose body was read.
struct SurfaceRequest: Sendable {
    var method: String
    /// With its query, as it came.
    var target: String
    var headers: HTTPFields
    var body: [UInt8]
    var caller = Caller.anybody

    var path: Substring { target.prefix { $0 != "?" } }

    /// A parameter of the query, decoded; the first of its name.
    func parameter(_ name: String) -> String? {
        guard let mark = target.firstIndex(of: "?") else { return nil }
        return FormFields.first(name, in: target[target.index(after: mark)...])
    }

    /// All parameters, decoded; nil where one is no percent-encoding.
    var query: [(name: String, value: String)]? {
        guard let mark = target.firstIndex(of: "?") else { return [] }
        return FormFields.all(in: target[target.index(after: mark)...])
    }

    /// All of one name, joined by commas.
    func header(_ name: HTTPField.Name) -> String? {
        let values = headers[values: name]
        return values.isEmpty ? nil : values.joined(separator: ",")
    }

    /// Whether a page of another site has sent it: browsers say so with all that changes something.
    /// - Parameter authority: under which the client has reached this node.
    static func isOfAnotherSite(_ headers: HTTPFields, authority: String?) -> Bool {
        guard let origin = headers[.origin] else { return false }
        guard let separator = origin.firstRange(of: "://"), let authority else { return true }
        return origin[separator.upperBound...].lowercased() != authority.lowercased()
    }

    func encoding() throws(MesosRefusal) -> MesosMessage.Encoding {
        try MesosEncodings.request(contentType: header(.contentType)).encoding
    }
}

extension HTTPField.Name {
    static let streamID = HTTPField.Name("Mesos-Stream-Id") ?? .contentType
}

/// `a=1&b=2`, percent-encoded: queries and the forms that browsers post.
enum FormFields {
    static func first(_ name: String, in text: some StringProtocol) -> String? {
        for pair in text.split(separator: "&") {
            let parts = pair.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if decoded(parts[0]) == name { return parts.count > 1 ? decoded(parts[1]) : "" }
        }
        return nil
    }

    /// Everything but letters, digits and a few marks escaped.
    static func encoded(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "/"):
                result.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// All of them, decoded; nil where one is no percent-encoding.
    static func all(in text: some StringProtocol) -> [(name: String, value: String)]? {
        var found: [(name: String, value: String)] = []
        for pair in text.split(separator: "&") {
            let parts = pair.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(parts[0]),
                let value = parts.count > 1 ? decoded(parts[1]) : ""
            else { return nil }
            found.append((name, value))
        }
        return found
    }

    /// A path, in which a plus is a plus; nil for what is no percent-encoding.
    static func decodedPath(_ text: some StringProtocol) -> String? {
        decoded(text, plusIsSpace: false)
    }

    /// Nil for what is no percent-encoding.
    private static func decoded(_ text: some StringProtocol, plusIsSpace: Bool = true) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
                    return nil
                }
                rest = rest.dropFirst(2)
                bytes.append(value)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
