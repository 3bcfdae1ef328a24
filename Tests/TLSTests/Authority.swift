import Foundation
import LocalCluster

/// A certificate and its key, as files in PEM.
struct Credentials: Sendable {
    let certificate: String
    let key: String
}

/// A certificate authority of openssl's, in a folder of its own.
struct Authority: Sendable {
    private let folder: String

    /// Its own certificate.
    var certificate: String { folder + "/ca.pem" }
    /// Its own certificate and key.
    var credentials: Credentials {
        Credentials(certificate: certificate, key: folder + "/ca.key")
    }
    /// The list that ``writeRevocationList()`` writes.
    var revocationList: String { folder + "/ca.crl" }

    /// - Parameter newKey: openssl's arguments for a key of its own.
    init(
        _ name: String, under parent: URL,
        newKey: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    ) throws {
        folder = parent.appending(path: name).path
        try prepare()
        try Self.openssl(
            ["req", "-x509", "-nodes", "-days", "30", "-newkey"] + newKey + [
                "-subj", "/CN=\(name)", "-keyout", folder + "/ca.key", "-out", certificate,
                "-addext", "basicConstraints=critical,CA:true",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            ])
    }

    private init(folder: String) throws {
        self.folder = folder
        try prepare()
    }

    /// A CA whose certificate this one has signed.
    ///
    /// - Parameter more: a further line of its extensions.
    func subordinate(_ name: String, more: String = "") throws -> Authority {
        let made = try Authority(folder: folder + "-\(name)")
        let stem = made.folder + "/ca"
        let lines = [
            "basicConstraints = critical,CA:true", "keyUsage = critical,keyCertSign,cRLSign", more,
        ]
        try lines.joined(separator: "\n")
            .write(toFile: stem + ".ext", atomically: true, encoding: .utf8)
        try sign(name, stem: stem, days: -1...20)
        return made
    }

    /// A client's certificate with that of this CA behind it, in one file.
    func issueWithChain(_ name: String) throws -> Credentials {
        let made = try issue(name, usage: "clientAuth")
        let both = try [made.certificate, certificate]
            .map { try String(contentsOfFile: $0, encoding: .utf8) }.joined()
        try both.write(toFile: made.certificate, atomically: true, encoding: .utf8)
        return made
    }

    private func prepare() throws {
        let manager = FileManager.default
        try? manager.removeItem(atPath: folder)
        try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data().write(to: URL(filePath: folder + "/index.txt"))
        try "01\n".write(toFile: folder + "/crlnumber", atomically: true, encoding: .utf8)
        let settings = """
            [ca]
            default_ca = own
            [own]
            database = \(folder)/index.txt
            new_certs_dir = \(folder)
            rand_serial = yes
            crlnumber = \(folder)/crlnumber
            default_md = sha256
            default_crl_days = 10
            unique_subject = no
            policy = any
            certificate = \(folder)/ca.pem
            private_key = \(folder)/ca.key
            [any]
            commonName = supplied
            """
        try settings.write(toFile: folder + "/ca.cnf", atomically: true, encoding: .utf8)
    }

    /// - Parameters:
    ///   - hosts: subject alternative names, as openssl writes them.
    ///   - days: from when to when it is valid, from today.
    func issue(
        _ name: String, hosts: String = "IP:127.0.0.1,DNS:localhost",
        usage: String = "serverAuth,clientAuth", days: ClosedRange<Int> = -1...20
    ) throws -> Credentials {
        let stem = folder + "/\(name)"
        let made = Credentials(certificate: stem + ".pem", key: stem + ".key")
        try "subjectAltName = \(hosts)\nextendedKeyUsage = \(usage)\n"
            .write(toFile: stem + ".ext", atomically: true, encoding: .utf8)
        try sign(name, stem: stem, days: days)
        return made
    }

    /// Makes a key and its certificate, with the extensions in `stem`.ext.
    private func sign(_ name: String, stem: String, days: ClosedRange<Int>) throws {
        try Self.openssl([
            "req", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-subj", "/CN=\(name)", "-keyout", stem + ".key", "-out", stem + ".csr",
        ])
        try Self.openssl([
            "ca", "-batch", "-notext", "-config", folder + "/ca.cnf", "-in", stem + ".csr",
            "-out", stem + ".pem", "-extfile", stem + ".ext",
            "-startdate", try Self.date(days.lowerBound), "-enddate",
            try Self.date(days.upperBound),
        ])
    }

    func revoke(_ credentials: Credentials) throws {
        try Self.openssl([
            "ca", "-batch", "-config", folder + "/ca.cnf", "-revoke", credentials.certificate,
        ])
    }

    func writeRevocationList() throws {
        try Self.openssl([
            "ca", "-batch", "-config", folder + "/ca.cnf", "-gencrl", "-out", revocationList,
        ])
    }

    private static func date(_ days: Int) throws -> String {
        let text = try Command.runSuccessfully(
            "date", ["-u", "-d", "\(days) days", "+%Y%m%d%H%M%SZ"])
        return text.trimmingCharacters(in: .newlines)
    }

    @discardableResult
    private static func openssl(_ arguments: [String]) throws -> String {
        try Command.runSuccessfully("openssl", arguments)
    }
}
