/// Where a server listens for clients.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    public let host: String
    public let port: Int
    /// Whether it is dialled with TLS.
    public let usesTLS: Bool

    /// The port that clients dial unless another is given.
    public static let defaultPort = 2379

    public init(host: String, port: Int = Endpoint.defaultPort, usesTLS: Bool = false) {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
    }

    /// Reads `https://host:port`, `http://host:port`, `host:port` or `host`; an IPv6 address is in
    /// brackets.
    ///
    /// Where the text does not say whether TLS is used, `usingTLS` does.
    /// - Throws: ``ClusterError`` with the code `invalidEndpoint`, which says what is wrong.
    public init(_ text: String, usingTLS: Bool = false) throws(ClusterError) {
        var usesTLS = usingTLS
        var rest = Substring(text)
        if let scheme = rest.range(ofScheme: "://") {
            switch rest[..<scheme.lowerBound].lowercased() {
            case "http": usesTLS = false
            case "https": usesTLS = true
            default:
                throw Endpoint.invalid(text, "the scheme must be http or https, or be left out")
            }
            rest = rest[scheme.upperBound...]
        }
        self.usesTLS = usesTLS
        while rest.hasSuffix("/") { rest.removeLast() }
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            rest = rest[rest.index(after: end)...]
        } else {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            host = String(rest[..<end])
            rest = rest[end...]
        }
        guard !host.isEmpty, !host.contains("/") else {
            throw Endpoint.invalid(text, "it names no host")
        }
        if rest.isEmpty {
            port = Endpoint.defaultPort
        } else {
            guard rest.hasPrefix(":"), let number = Int(rest.dropFirst()), (1...65535) ~= number
            else { throw Endpoint.invalid(text, "the port must be a number from 1 to 65535") }
            port = number
        }
    }

    public var description: String {
        let scheme = usesTLS ? "https" : "http"
        return host.contains(":") ? "\(scheme)://[\(host)]:\(port)" : "\(scheme)://\(host):\(port)"
    }

    private static func invalid(_ text: String, _ reason: String) -> ClusterError {
        ClusterError(
            .invalidEndpoint,
            "'\(text)' is not an endpoint: \(reason) (an example: http://127.0.0.1:2379)")
    }
}

extension Substring {
    /// Where `mark` first stands, without Foundation.
    fileprivate func range(ofScheme mark: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(mark) {
                return start..<index(start, offsetBy: mark.count)
            }
            start = index(after: start)
        }
        return nil
    }
}
