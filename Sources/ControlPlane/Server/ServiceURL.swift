/// An address as operators write it: `http://host:port`, or `https://host:port` for TLS.
package struct ServiceURL: Equatable, Hashable, Sendable, CustomStringConvertible {
    package var scheme: String
    package var host: String
    package var port: Int

    package init(scheme: String, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// - Throws: ``ConfigurationError`` that names the flag, the text and what it should look like.
    package init(_ text: String, flag: String) throws(ConfigurationError) {
        func wrong(_ reason: String) -> ConfigurationError {
            ConfigurationError(
                flag: flag, value: text, reason: reason, hint: "for example http://127.0.0.1:2379")
        }
        guard let separator = text.firstRange(of: "://") else {
            throw wrong("it has no scheme")
        }
        scheme = String(text[..<separator.lowerBound])
        guard ["http", "https"].contains(scheme) else {
            throw wrong("the scheme must be http or https")
        }
        var rest = text[separator.upperBound...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard let colon = rest.lastIndex(of: ":") else { throw wrong("it has no port") }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains("/") else { throw wrong("it has no host") }
        guard let port = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(port) else {
            throw wrong("the port must be a number from 1 to 65535")
        }
        self.host = String(host)
        self.port = port
    }

    package static func list(
        _ text: String, flag: String
    ) throws(ConfigurationError) -> [ServiceURL] {
        var urls: [ServiceURL] = []
        for part in text.split(separator: ",") {
            urls.append(try ServiceURL(String(part), flag: flag))
        }
        guard !urls.isEmpty else {
            throw ConfigurationError(
                flag: flag, value: text, reason: "no URL is given",
                hint: "for example http://127.0.0.1:2379")
        }
        return urls
    }

    /// Whether what goes there is under TLS.
    package var isSecure: Bool { scheme == "https" }

    package var description: String {
        host.contains(":") ? "\(scheme)://[\(host)]:\(port)" : "\(scheme)://\(host):\(port)"
    }
}

/// A flag, variable or file entry that cannot be used: which, what it was, why, and what to do.
package struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    package var flag: String
    package var value: String
    package var reason: String
    package var hint: String

    package init(flag: String, value: String, reason: String, hint: String) {
        self.flag = flag
        self.value = value
        self.reason = reason
        self.hint = hint
    }

    package var description: String {
        "\(flag) '\(value)' cannot be used: \(reason). \(hint)"
    }
}
