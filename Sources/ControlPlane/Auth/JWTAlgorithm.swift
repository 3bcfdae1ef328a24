/// How tokens may be signed: `sign-method` of `--auth-token`, by the names of RFC 7518 §3.1 and
/// RFC 8037 §3.1.
package enum JWTAlgorithm: String, CaseIterable, Sendable {
    case hs256 = "HS256"
    case hs384 = "HS384"
    case hs512 = "HS512"
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"

    /// What kind of key it takes.
    enum Family {
        /// One secret that signs and verifies.
        case hmac
        case rsa
        case ellipticCurve
        case ed25519
    }

    var family: Family {
        switch self {
        case .hs256, .hs384, .hs512: .hmac
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: .rsa
        case .es256, .es384, .es512: .ellipticCurve
        case .edDSA: .ed25519
        }
    }

    /// The least that a secret must have, which is what its hash gives (RFC 7518 §3.2).
    var secretByteCountMin: Int {
        switch self {
        case .hs384: 48
        case .hs512: 64
        default: 32
        }
    }
}
