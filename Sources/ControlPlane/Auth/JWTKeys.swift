internal import Crypto
internal import CryptoExtras
internal import Foundation
internal import RPC
internal import SwiftASN1
internal import X509

/// The keys of one algorithm. What they do not fit is never verified with them: the algorithm is
/// the configuration's, whatever a token says of itself.
package struct JWTKeys: Sendable {
    /// Why files cannot be used.
    struct Unusable: Error {
        var path: String
        var reason: String
    }

    private enum Verifier: Sendable {
        case secret(SymmetricKey)
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
    }

    private enum Signer: Sendable {
        case secret(SymmetricKey)
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
        case p384(P384.Signing.PrivateKey)
        case p521(P521.Signing.PrivateKey)
        case ed25519(Certificate.PrivateKey)
    }

    package let algorithm: JWTAlgorithm
    private let verifier: Verifier
    private let signer: Signer?

    /// Whether they can only verify.
    var isForVerifying: Bool { signer == nil }

    /// Reads the files. Cost: milliseconds.
    init(_ options: JWTOptions) throws(Unusable) {
        algorithm = options.algorithm
        if algorithm.family == .hmac {
            let path = options.privateKeyPath ?? ""
            let secret = SymmetricKey(data: try Self.read(path))
            let least = algorithm.secretByteCountMin
            guard secret.bitCount >= 8 * least else {
                throw Unusable(
                    path: path,
                    reason: "\(algorithm.rawValue) needs a secret of at least \(least) bytes")
            }
            verifier = .secret(secret)
            signer = .secret(secret)
            return
        }
        var known: (verifier: Verifier, encoded: Data)?
        if let path = options.publicKeyPath { known = try Self.publicKey(path, algorithm) }
        guard let path = options.privateKeyPath else {
            guard let known else { throw Unusable(path: "", reason: "no key is given") }
            verifier = known.verifier
            signer = nil
            return
        }
        let pair = try Self.privateKey(path, algorithm)
        if let known, known.encoded != pair.encoded {
            throw Unusable(
                path: path, reason: "it is not the key of \(options.publicKeyPath ?? "")")
        }
        verifier = pair.verifier
        signer = pair.signer
    }

    // MARK: Files

    private static func read(_ path: String) throws(Unusable) -> [UInt8] {
        let bytes: [UInt8]
        do throws(TLSFileError) { bytes = try TLSFiles.read(path) } catch {
            throw Unusable(path: path, reason: error.reason)
        }
        guard !bytes.isEmpty else { throw Unusable(path: path, reason: "it is empty") }
        return bytes
    }

    /// The first block of PEM whose name is one of those; what else tools write is passed over.
    private static func block(
        _ path: String, _ kind: String, _ isWanted: (String) -> Bool
    ) throws(Unusable) -> PEMDocument {
        let text = String(decoding: try read(path), as: UTF8.self)
        let blocks = (try? PEMDocument.parseMultiple(pemString: text)) ?? []
        guard let block = blocks.first(where: { isWanted($0.discriminator) }) else {
            throw Unusable(path: path, reason: "it holds no \(kind) in PEM")
        }
        return block
    }

    private static func publicKey(
        _ path: String, _ algorithm: JWTAlgorithm
    ) throws(Unusable) -> (verifier: Verifier, encoded: Data) {
        let block = try block(path, "public key") {
            ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"].contains($0)
        }
        let key: Certificate.PublicKey? =
            switch block.discriminator {
            case "CERTIFICATE": try? Certificate(pemDocument: block).publicKey
            case "RSA PUBLIC KEY":
                (try? _RSA.Signing.PublicKey(derRepresentation: block.derBytes))
                    .map { Certificate.PublicKey($0) }
            default: try? Certificate.PublicKey(pemDocument: block)
            }
        guard let key else {
            throw Unusable(path: path, reason: "its public key cannot be read")
        }
        guard let found = verifier(key, algorithm) else {
            throw Unusable(path: path, reason: "its key is of no use for \(algorithm.rawValue)")
        }
        return found
    }

    private static func verifier(
        _ key: Certificate.PublicKey, _ algorithm: JWTAlgorithm
    ) -> (verifier: Verifier, encoded: Data)? {
        switch algorithm {
        case .hs256, .hs384, .hs512: nil
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512:
            _RSA.Signing.PublicKey(key).map { (.rsa($0), $0.derRepresentation) }
        case .es256: P256.Signing.PublicKey(key).map { (.p256($0), $0.rawRepresentation) }
        case .es384: P384.Signing.PublicKey(key).map { (.p384($0), $0.rawRepresentation) }
        case .es512: P521.Signing.PublicKey(key).map { (.p521($0), $0.rawRepresentation) }
        case .edDSA: Curve25519.Signing.PublicKey(key).map { (.ed25519($0), $0.rawRepresentation) }
        }
    }

    private static func privateKey(
        _ path: String, _ algorithm: JWTAlgorithm
    ) throws(Unusable) -> (signer: Signer, verifier: Verifier, encoded: Data) {
        let block = try block(path, "private key without a passphrase") {
            ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].contains($0)
        }
        guard let key = try? Certificate.PrivateKey(pemDocument: block) else {
            throw Unusable(path: path, reason: "its private key cannot be read")
        }
        guard let own = verifier(key.publicKey, algorithm),
            let signer = try? signer(block, key, algorithm)
        else {
            throw Unusable(path: path, reason: "its key is of no use for \(algorithm.rawValue)")
        }
        return (signer, own.verifier, own.encoded)
    }

    private static func signer(
        _ block: PEMDocument, _ key: Certificate.PrivateKey, _ algorithm: JWTAlgorithm
    ) throws -> Signer? {
        let text = block.pemString
        return switch algorithm {
        case .hs256, .hs384, .hs512: nil
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512:
            .rsa(try _RSA.Signing.PrivateKey(pemRepresentation: text))
        case .es256: .p256(try P256.Signing.PrivateKey(pemRepresentation: text))
        case .es384: .p384(try P384.Signing.PrivateKey(pemRepresentation: text))
        case .es512: .p521(try P521.Signing.PrivateKey(pemRepresentation: text))
        case .edDSA: .ed25519(key)
        }
    }
}

// MARK: - Signatures

extension JWTKeys {
    /// Nil where there is only a public key. Cost: up to some milliseconds, with RSA.
    func sign(_ bytes: [UInt8]) throws -> [UInt8]? {
        switch signer {
        case nil: nil
        case .secret(let key): mac(bytes, key)
        case .rsa(let key): try sign(bytes, key)
        case .p256(let key): Array(try key.signature(for: bytes).rawRepresentation)
        case .p384(let key): Array(try key.signature(for: bytes).rawRepresentation)
        case .p521(let key): Array(try key.signature(for: bytes).rawRepresentation)
        case .ed25519(let key):
            try key.sign(bytes: bytes, signatureAlgorithm: .ed25519).rawRepresentation
        }
    }

    /// Cost: tens to hundreds of microseconds, by the algorithm.
    func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        switch verifier {
        case .secret(let key): return isMAC(signature, of: bytes, key)
        case .rsa(let key): return verifies(signature, of: bytes, key)
        case .p256(let key):
            return (try? P256.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: bytes) } ?? false
        case .p384(let key):
            return (try? P384.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: bytes) } ?? false
        case .p521(let key):
            return (try? P521.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: bytes) } ?? false
        case .ed25519(let key): return key.isValidSignature(signature, for: bytes)
        }
    }

    private enum Hash {
        case sha256
        case sha384
        case sha512
    }

    private var hash: Hash {
        switch algorithm {
        case .hs256, .rs256, .ps256, .es256: .sha256
        case .hs384, .rs384, .ps384, .es384: .sha384
        case .hs512, .rs512, .ps512, .es512, .edDSA: .sha512
        }
    }

    private func mac(_ bytes: [UInt8], _ key: SymmetricKey) -> [UInt8] {
        switch hash {
        case .sha256: Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
        case .sha384: Array(HMAC<SHA384>.authenticationCode(for: bytes, using: key))
        case .sha512: Array(HMAC<SHA512>.authenticationCode(for: bytes, using: key))
        }
    }

    /// Compares in constant time.
    private func isMAC(_ code: [UInt8], of bytes: [UInt8], _ key: SymmetricKey) -> Bool {
        switch hash {
        case .sha256:
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: bytes, using: key)
        case .sha384:
            HMAC<SHA384>.isValidAuthenticationCode(code, authenticating: bytes, using: key)
        case .sha512:
            HMAC<SHA512>.isValidAuthenticationCode(code, authenticating: bytes, using: key)
        }
    }

    private var padding: _RSA.Signing.Padding {
        switch algorithm {
        case .ps256, .ps384, .ps512: .PSS
        default: .insecurePKCS1v1_5
        }
    }

    private func sign(_ bytes: [UInt8], _ key: _RSA.Signing.PrivateKey) throws -> [UInt8] {
        let signature =
            switch hash {
            case .sha256: try key.signature(for: SHA256.hash(data: bytes), padding: padding)
            case .sha384: try key.signature(for: SHA384.hash(data: bytes), padding: padding)
            case .sha512: try key.signature(for: SHA512.hash(data: bytes), padding: padding)
            }
        return Array(signature.rawRepresentation)
    }

    private func verifies(
        _ signature: [UInt8], of bytes: [UInt8], _ key: _RSA.Signing.PublicKey
    ) -> Bool {
        let given = _RSA.Signing.RSASignature(rawRepresentation: signature)
        return switch hash {
        case .sha256:
            key.isValidSignature(given, for: SHA256.hash(data: bytes), padding: padding)
        case .sha384:
            key.isValidSignature(given, for: SHA384.hash(data: bytes), padding: padding)
        case .sha512:
            key.isValidSignature(given, for: SHA512.hash(data: bytes), padding: padding)
        }
    }
}
