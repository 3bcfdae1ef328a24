/// How users' tokens are made (`--auth-token`), in etcd's syntax: `simple`, or `jwt` with options
/// `name=value` behind commas.
package enum AuthTokenOptions: Equatable, Sendable {
    /// Random letters that the log announces.
    case simple
    /// Signed claims that nobody has to remember.
    case jwt(JWTOptions)

    static let flag = "--auth-token"

    /// Source: etcd's `server/auth/store.go` (`decomposeOpts`, `NewTokenProvider`): an option that
    /// is given twice, or is no `name=value`, is refused for either kind.
    package init(_ text: String) throws(ConfigurationError) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        var values: [String: String] = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false)
            guard pair.count == 2 else {
                throw Self.error(
                    text, "'\(part)' is not name=value", "for example \(JWTOptions.example)")
            }
            guard values.updateValue(String(pair[1]), forKey: String(pair[0])) == nil else {
                throw Self.error(text, "\(pair[0]) is given twice", "Give each option once")
            }
        }
        switch parts[0] {
        case "simple": self = .simple
        case "jwt": self = .jwt(try JWTOptions(values, text))
        default:
            throw Self.error(
                text, "there is no kind of token '\(parts[0])'",
                "Use simple, or jwt with options: \(JWTOptions.example)")
        }
    }

    static func error(_ value: String, _ reason: String, _ hint: String) -> ConfigurationError {
        ConfigurationError(flag: flag, value: value, reason: reason, hint: hint)
    }
}

/// The options of `--auth-token jwt`. With a public key alone a member knows tokens and makes none.
package struct JWTOptions: Equatable, Sendable {
    static let example = "jwt,pub-key=FILE,priv-key=FILE,sign-method=ES256,ttl=5m"
    /// etcd's default.
    private static let usualSecondsToLive = 300.0
    private static let secondsToLiveMax = 10 * 365 * 86_400.0

    package var algorithm: JWTAlgorithm
    package var publicKeyPath: String?
    package var privateKeyPath: String?
    /// For how long a token counts, in seconds.
    package var secondsToLive: Double
    /// Names that mean nothing; etcd takes them with a warning.
    package var unknownNames: [String]

    /// The files that are used. A secret is in the one of the private key.
    var paths: [String] {
        algorithm.family == .hmac
            ? [privateKeyPath].compactMap(\.self)
            : [publicKeyPath, privateKeyPath].compactMap(\.self)
    }

    fileprivate init(
        _ values: [String: String], _ text: String
    ) throws(ConfigurationError) {
        func value(_ name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }
        guard let algorithm = JWTAlgorithm(rawValue: value("sign-method") ?? "") else {
            let names = JWTAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
            throw AuthTokenOptions.error(
                text, "sign-method must say how tokens are signed", "It is one of \(names)")
        }
        self.algorithm = algorithm
        publicKeyPath = value("pub-key")
        privateKeyPath = value("priv-key")
        secondsToLive = Self.usualSecondsToLive
        if let given = value("ttl") {
            guard let seconds = GoDuration.seconds(given),
                (1...Self.secondsToLiveMax).contains(seconds)
            else {
                throw AuthTokenOptions.error(
                    text, "ttl must be a duration of at least 1s", "for example ttl=5m or ttl=1h30m"
                )
            }
            secondsToLive = seconds
        }
        let known = ["sign-method", "pub-key", "priv-key", "ttl"]
        unknownNames = values.keys.filter { !known.contains($0) }.sorted()
        if paths.isEmpty {
            throw AuthTokenOptions.error(
                text, "no key is given",
                algorithm.family == .hmac
                    ? "Name the secret's file with priv-key"
                    : "Name the files with priv-key and pub-key, or pub-key alone to verify only")
        }
    }
}

/// Durations as Go writes them: `300ms`, `1.5h`, `1h30m`.
enum GoDuration {
    private static let units: [(name: String, seconds: Double)] = [
        ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
    ]

    /// Nil for what is none. Signs are not taken: nothing here lasts less than no time.
    static func seconds(_ text: String) -> Double? {
        if text == "0" { return 0 }
        var rest = text[...]
        var sum = 0.0
        repeat {
            let number = rest.prefix { $0 == "." || ("0"..."9").contains($0) }
            rest = rest.dropFirst(number.count)
            let name = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
            rest = rest.dropFirst(name.count)
            guard let count = Double(number), let unit = units.first(where: { $0.name == name })
            else { return nil }
            sum += count * unit.seconds
        } while !rest.isEmpty
        return sum
    }
}
