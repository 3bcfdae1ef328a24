internal import API

/// Where something is served, from a URL that another process wrote: `http://host:port`, or with
/// https.
struct ServicePlace: Equatable, Sendable {
    var host: String
    var port: Int
    /// Whether it speaks TLS.
    var isSecure: Bool

    init(host: String, port: Int, isSecure: Bool = false) {
        self.host = host
        self.port = port
        self.isSecure = isSecure
    }

    /// Nil for what is no such URL. A host in brackets is an IPv6 address.
    init?(_ url: String) {
        guard let separator = url.firstRange(of: "://") else { return nil }
        var rest = url[separator.upperBound...]
        if let slash = rest.firstIndex(of: "/") { rest = rest[..<slash] }
        guard let colon = rest.lastIndex(of: ":"),
            let port = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(port)
        else { return nil }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self.init(
            host: String(host), port: port, isSecure: url[..<separator.lowerBound] == "https")
    }

    /// As it stands in a URL.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    var address: MesosAddress {
        var address = MesosAddress()
        address.hostname = host
        if ipv4 != nil { address.ip = host }
        address.port = Int32(port)
        return address
    }

    /// The bytes of an IPv4 address; nil for a name.
    var ipv4: [UInt8]? {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { UInt8($0) }
        return parts.count == 4 && bytes.count == 4 ? bytes : nil
    }
}
