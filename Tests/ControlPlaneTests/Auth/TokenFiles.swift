import ControlPlane
import Crypto
import CryptoExtras
import Foundation
import Logging
import Testing

/// A folder of keys, which goes with the test.
final class TokenFiles: Sendable {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "keelson-tokens-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Puts a file there in one step, and says where it is.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        return path
    }

    func path(_ name: String) -> String { folder + "/" + name }

    /// The keys that `--auth-token` names.
    static func open(_ flag: String) throws -> JWTKeyFiles {
        guard case .jwt(let options) = try AuthTokenOptions(flag) else {
            throw CocoaError(.featureUnsupported)
        }
        return try JWTKeyFiles(options, logger: Logger(label: "test"))
    }

    /// Writes a pair for an algorithm under a name, and opens it.
    func pair(_ algorithm: JWTAlgorithm, _ name: String = "key") throws -> JWTKeyFiles {
        let texts = try KeyTexts(algorithm)
        let secret = try write(name + ".pem", texts.secret)
        let flag = "jwt,sign-method=\(algorithm.rawValue),priv-key=\(secret)"
        guard let known = texts.known else { return try Self.open(flag) }
        return try Self.open(flag + ",pub-key=" + write(name + ".pub", known))
    }
}

/// A pair of fresh keys in PEM, or a secret.
struct KeyTexts {
    let secret: String
    let known: String?

    init(_ algorithm: JWTAlgorithm) throws {
        switch algorithm {
        case .hs256, .hs384, .hs512:
            secret = (0..<64).map { _ in String(UInt8.random(in: 65...90)) }.joined()
            known = nil
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512:
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            secret = key.pemRepresentation
            known = key.publicKey.pemRepresentation
        case .es256:
            let key = P256.Signing.PrivateKey()
            secret = key.pemRepresentation
            known = key.publicKey.pemRepresentation
        case .es384:
            let key = P384.Signing.PrivateKey()
            secret = key.pemRepresentation
            known = key.publicKey.pemRepresentation
        case .es512:
            let key = P521.Signing.PrivateKey()
            secret = key.pemRepresentation
            known = key.publicKey.pemRepresentation
        case .edDSA:
            secret = Self.block(
                "PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEIMZvGKaBHIzYDfqcqJDL9eUm/U/FNIUb7sCKGH03gspD")
            known = Self.block(
                "PUBLIC KEY", "MCowBQYDK2VwAyEA8jbbIJxPz6Vj9N+kSEvwVrRKi5Ybo32DfJ/bsmA2qWY=")
        }
    }

    private static func block(_ name: String, _ body: String) -> String {
        "-----BEGIN \(name)-----\n\(body)\n-----END \(name)-----\n"
    }
}

/// Tokens that nobody should take, or that say what they like.
enum Forge {
    static func part(_ text: String) -> String { part(Array(text.utf8)) }

    static func part(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    static func token(
        _ header: String, _ claims: String, _ sign: ([UInt8]) throws -> [UInt8]
    ) rethrows -> String {
        let signed = part(header) + "." + part(claims)
        return signed + "." + part(try sign(Array(signed.utf8)))
    }

    /// Seconds since 1970, long ago and far away.
    static let past = 1_600_000_000
    static let future = 4_000_000_000

    /// What a token of etcd's says.
    static func claims(_ user: String, revision: UInt64 = 1, expires end: Int = future) -> String {
        #"{"exp":\#(end),"revision":\#(revision),"username":"\#(user)"}"#
    }

    static func mac(_ key: String) -> ([UInt8]) -> [UInt8] {
        { bytes in
            let key = SymmetricKey(data: Array(key.utf8))
            return Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
        }
    }
}
