import Foundation
import LocalCluster

/// Certificates of openssl's: a CA, a server's and two clients' that it has signed.
struct Certificates {
    let folder: String
    var ca: String { folder + "/ca.pem" }

    init(_ name: String) throws {
        let place = ServerProgram.repositoryRoot.appending(
            path: ".build/clusters/certificates-\(name)")
        try? FileManager.default.removeItem(at: place)
        try FileManager.default.createDirectory(
            at: place, withIntermediateDirectories: true)
        folder = place.path
        try Self.openssl(
            ["req", "-x509", "-nodes", "-days", "30"] + Self.newKey + [
                "-subj", "/CN=ca", "-keyout", folder + "/ca.key", "-out", ca,
            ])
        try issue("server", "serverAuth")
        try issue("ops", "clientAuth")
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

    func issue(_ name: String, _ usage: String) throws {
        let stem = folder + "/" + name
        try "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=\(usage)\n"
            .write(toFile: stem + ".ext", atomically: true, encoding: .utf8)
        try Self.openssl(
            ["req", "-nodes"] + Self.newKey + [
                "-subj", "/CN=\(name)", "-keyout", stem + ".key", "-out", stem + ".csr",
            ])
        try Self.openssl([
            "x509", "-req", "-in", stem + ".csr", "-CA", ca, "-CAkey", folder + "/ca.key",
            "-CAcreateserial", "-days", "20", "-extfile", stem + ".ext", "-out",
            stem + ".pem",
        ])
    }

    private static func openssl(_ arguments: [String]) throws {
        _ = try Command.runSuccessfully("openssl", arguments)
    }
}
