package import NIOSSL

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The hosts that a certificate is for: its subject alternative names. The common name does not
/// count.
package struct CertificateHosts: Sendable {
    /// In lower case.
    private let names: [String]
    /// 4 or 16 bytes each.
    private let addresses: [[UInt8]]

    package init(names: [String], addresses: [[UInt8]]) {
        self.names = names.map { $0.lowercased() }
        self.addresses = addresses
    }

    package init(_ certificate: NIOSSLCertificate) {
        var names: [String] = []
        var addresses: [[UInt8]] = []
        for name in certificate._subjectAlternativeNames() {
            switch name.nameType {
            case .dnsName: names.append(String(decoding: name.contents, as: UTF8.self))
            case .ipAddress: addresses.append(Array(name.contents))
            default: break
            }
        }
        self.init(names: names, addresses: addresses)
    }

    /// Whether `host`, an address or a name, is one of them. In a certificate `*.` stands for any
    /// one label (RFC 6125 §6.4.3). A certificate for the address that a name leads to is not for
    /// the name: whoever can bend DNS could have one.
    package func covers(host: String) -> Bool {
        if let address = IPAddressBytes.parse(host) { return addresses.contains(address) }
        var name = host.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        return names.contains { pattern in
            if pattern == name { return true }
            guard pattern.hasPrefix("*."), let dot = name.firstIndex(of: "."),
                dot != name.startIndex
            else { return false }
            return name[dot...] == pattern.dropFirst()
        }
    }

    /// For messages, bounded.
    package var summary: String {
        let texts = names.prefix(8) + addresses.prefix(8).map(IPAddressBytes.text)
        return texts.isEmpty ? "no host" : texts.joined(separator: ", ")
    }
}

package enum IPAddressBytes {
    /// The 4 or 16 bytes of an address, or nil for a name.
    package static func parse(_ text: String) -> [UInt8]? {
        var four = [UInt8](repeating: 0, count: 4)
        if inet_pton(AF_INET, text, &four) == 1 { return four }
        var sixteen = [UInt8](repeating: 0, count: 16)
        return inet_pton(AF_INET6, text, &sixteen) == 1 ? sixteen : nil
    }

    static func text(_ bytes: [UInt8]) -> String {
        if bytes.count == 4 { return bytes.map { "\($0)" }.joined(separator: ".") }
        let groups = stride(from: 0, to: bytes.count - 1, by: 2).map {
            String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
        }
        return groups.joined(separator: ":")
    }
}
