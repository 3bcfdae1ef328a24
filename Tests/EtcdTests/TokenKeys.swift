import Foundation
import LocalCluster

/// Keys of openssl's for signed tokens, in a folder of their own, and tokens made by hand.
struct TokenKeys: Sendable {
    let method: String
    private let folder: String

    var secret: String { folder + "/key.pem" }
    var known: String { folder + "/key.pub" }
    /// `--auth-token` with both.
    var flag: String {
        "jwt,sign-method=\(method),priv-key=\(secret),pub-key=\(known),ttl=10m"
    }

    /// - Parameter method: such as `RS256`.
    init(_ method: String, in name: String) throws {
        self.method = method
        folder = ServerProgram.repositoryRoot.appending(path: ".build/clusters/tokens-\(name)").path
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try renew()
    }

    /// Makes another pair in the place of the first.
    func renew() throws {
        let fresh = folder + "/fresh", freshKnown = folder + "/fresh.pub"
        if method.hasPrefix("HS") {
            try Self.openssl(["rand", "-hex", "-out", fresh, "64"])
            try Data("none".utf8).write(to: URL(filePath: freshKnown))
        } else {
            let curves = ["ES256": "P-256", "ES384": "P-384", "ES512": "P-521"]
            let kind =
                switch method {
                case "EdDSA": ["ed25519"]
                case "ES256", "ES384", "ES512":
                    ["EC", "-pkeyopt", "ec_paramgen_curve:\(curves[method] ?? "")"]
                default: ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
                }
            try Self.openssl(["genpkey", "-out", fresh, "-algorithm"] + kind)
            try Self.openssl(["pkey", "-in", fresh, "-pubout", "-out", freshKnown])
        }
        for (path, place) in [(freshKnown, known), (fresh, secret)] {
            let data = try Data(contentsOf: URL(filePath: path))
            try data.write(to: URL(filePath: place), options: .atomic)
        }
    }

    // MARK: By hand

    static func part(_ bytes: Data) -> String {
        bytes.base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    static func bytes(_ part: Substring) -> Data? {
        let text = part.replacingOccurrences(of: "-", with: "+")
            .replacingOccurrences(of: "_", with: "/")
        return Data(
            base64Encoded: text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4))
    }

    /// A token that openssl signs with RSA and SHA-256, whatever its header says.
    ///
    /// - Parameter end: in seconds since 1970; usually far away.
    func sign(
        _ user: String, revision: Int, expires end: Int = 4_000_000_000,
        algorithm: String = "RS256"
    ) throws -> String {
        let claims = #"{"username":"\#(user)","revision":\#(revision),"exp":\#(end)}"#
        let signed =
            Self.part(Data(#"{"alg":"\#(algorithm)","typ":"JWT"}"#.utf8)) + "."
            + Self.part(Data(claims.utf8))
        let input = folder + "/signed", output = folder + "/signature"
        try Data(signed.utf8).write(to: URL(filePath: input))
        try Self.openssl(["dgst", "-sha256", "-sign", secret, "-out", output, input])
        return signed + "." + Self.part(try Data(contentsOf: URL(filePath: output)))
    }

    /// Whether openssl finds that the key has signed a token, with RSA and SHA-256.
    func hasSigned(_ token: String) throws -> Bool {
        let parts = token.split(separator: ".")
        guard parts.count == 3, let signature = Self.bytes(parts[2]) else { return false }
        let input = folder + "/signed", output = folder + "/signature"
        try Data((parts[0] + "." + parts[1]).utf8).write(to: URL(filePath: input))
        try signature.write(to: URL(filePath: output))
        let words = ["dgst", "-sha256", "-verify", known, "-signature", output, input]
        return try Command.run("openssl", words).status == .exited(0)
    }

    private static func openssl(_ words: [String]) throws {
        _ = try Command.runSuccessfully("openssl", words)
    }
}

/// The API in JSON, with curl.
struct Gateway {
    let endpoint: String

    /// What a path answers to a body; a token goes along if there is one.
    func post(_ path: String, _ body: String, token: String? = nil) throws -> String {
        let header = token.map { ["-H", "Authorization: \($0)"] } ?? []
        return try Command.runSuccessfully(
            "curl",
            ["-sS", "-m", "10", "-d", body] + header + ["http://\(endpoint)/v3/\(path)"])
    }

    func logIn(_ name: String, _ password: String) throws -> String {
        let text = try post(
            "auth/authenticate", #"{"name":"\#(name)","password":"\#(password)"}"#)
        return try JSON(text)["token"].string ?? text
    }

    /// Reads the key `a` with a token.
    func read(_ token: String) throws -> String {
        try post("kv/range", #"{"key":"YQ=="}"#, token: token)
    }

    func write(_ token: String) throws -> String {
        try post("kv/put", #"{"key":"YQ==","value":"Yg=="}"#, token: token)
    }
}
