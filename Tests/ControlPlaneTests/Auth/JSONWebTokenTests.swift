import ControlPlane
import Crypto
import CryptoExtras
import Foundation
import Testing

@Suite("Signed tokens (RELIABILITY A01)")
struct JSONWebTokenTests {
    private let files = try? TokenFiles()
    private let claims = JWTClaims(user: Array("alice".utf8), revision: 7, expiresAt: 2e9)

    @Test("what a key signed it verifies; no other key does", arguments: JWTAlgorithm.allCases)
    func roundTrip(algorithm: JWTAlgorithm) throws {
        let files = try #require(files)
        let keys = try files.pair(algorithm).current().keys
        let text = try #require(try JSONWebToken.make(claims, keys))
        let token = try #require(JSONWebToken(text))
        #expect(token.verified(by: keys) == claims)
        for other in JWTAlgorithm.allCases where other != algorithm || other != .edDSA {
            let foreign = try files.pair(other, "foreign").current().keys
            #expect(token.verified(by: foreign) == nil, "\(other)")
        }
        // Every character counts.
        for place in stride(from: 0, to: text.utf8.count - 1, by: 7) {
            var bytes = Array(text.utf8)
            bytes[place] = bytes[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            if bytes == Array(text.utf8) { continue }
            let spoilt = JSONWebToken(String(decoding: bytes, as: UTF8.self))
            #expect(spoilt?.verified(by: keys) == nil, "byte \(place)")
        }
    }

    @Test("the same key does not verify what another algorithm made of it")
    func otherHash() throws {
        let files = try #require(files)
        let texts = try KeyTexts(.rs256)
        let path = try files.write("rsa.pem", texts.secret)
        let family: [JWTAlgorithm] = [.rs256, .rs384, .rs512, .ps256, .ps384, .ps512]
        let all = try family.map {
            try TokenFiles.open("jwt,sign-method=\($0.rawValue),priv-key=\(path)").current().keys
        }
        for signer in all {
            let text = try #require(try JSONWebToken.make(claims, signer))
            for verifier in all {
                let isSame = signer.algorithm == verifier.algorithm
                let found = JSONWebToken(text)?.verified(by: verifier)
                #expect((found == claims) == isSame && (found == nil) == !isSame)
            }
        }
    }

    @Test("a header that names another algorithm, or none, is refused, however it was signed")
    func confusion() throws {
        let files = try #require(files)
        let texts = try KeyTexts(.rs256)
        let known = try #require(texts.known)
        let path = try files.write("rsa.pub", known)
        let keys = try TokenFiles.open("jwt,sign-method=RS256,pub-key=\(path)").current().keys
        let rsa = try _RSA.Signing.PrivateKey(pemRepresentation: texts.secret)
        let sign: ([UInt8]) throws -> [UInt8] = {
            Array(
                try rsa.signature(for: SHA256.hash(data: $0), padding: .insecurePKCS1v1_5)
                    .rawRepresentation)
        }
        let claims = Forge.claims("root")
        let right = try Forge.token(#"{"alg":"RS256","typ":"JWT"}"#, claims, sign)
        #expect(JSONWebToken(right)?.verified(by: keys)?.user == Array("root".utf8))
        for header in [
            #"{"alg":"none"}"#, #"{"alg":"HS256"}"#, #"{"alg":"RS512"}"#, #"{"alg":"rs256"}"#,
            #"{"alg":""}"#, #"{"typ":"JWT"}"#, "{}", "[]", "", #"{"alg":["RS256"]}"#,
            #"{"alg":"RS256","crit":["exp"]}"#, #"{"alg":"RS256","crit":1}"#,
        ] {
            let token = try Forge.token(header, claims, sign)
            #expect(JSONWebToken(token)?.verified(by: keys) == nil, "\(header)")
        }
        // The public key is no secret.
        let trick = Forge.token(#"{"alg":"HS256","typ":"JWT"}"#, claims, Forge.mac(known))
        #expect(JSONWebToken(trick)?.verified(by: keys) == nil)
        for signature in [[], [0], [UInt8](repeating: 0, count: 256)] as [[UInt8]] {
            for name in ["none", "None", "RS256"] {
                let token = Forge.token(#"{"alg":"\#(name)"}"#, claims) { _ in signature }
                #expect(JSONWebToken(token)?.verified(by: keys) == nil, "\(name)")
            }
        }
    }

    @Test("claims that do not say who, as of when and until when are refused")
    func claimless() throws {
        let files = try #require(files)
        let texts = try KeyTexts(.hs256)
        let path = try files.write("secret", texts.secret)
        let keys = try TokenFiles.open("jwt,sign-method=HS256,priv-key=\(path)").current().keys
        func said(_ claims: String) -> JWTClaims? {
            let token = Forge.token(#"{"alg":"HS256"}"#, claims, Forge.mac(texts.secret))
            return JSONWebToken(token)?.verified(by: keys)
        }
        let whole = #"{"username":"u","revision":3,"exp":2000000000}"#
        let found = try #require(said(whole))
        #expect(found.revision == 3 && found.count(at: 1.9e9) && !found.count(at: 2e9))
        let later = #"{"username":"u","revision":3,"exp":2000000000.5,"nbf":1900000000,"x":[]}"#
        let bounded = try #require(said(later))
        #expect(!bounded.count(at: 1.8e9) && bounded.count(at: 1.9e9) && bounded.count(at: 2e9))
        let long = String(repeating: "u", count: 1025)
        for claims in [
            "", "{}", "[]", "null", "7", whole + "x", #"{"revision":3,"exp":2000000000}"#,
            #"{"username":"","revision":3,"exp":2000000000}"#,
            #"{"username":7,"revision":3,"exp":2000000000}"#,
            #"{"username":"u","exp":2000000000}"#,
            #"{"username":"u","revision":-1,"exp":2000000000}"#,
            #"{"username":"u","revision":3.5,"exp":2000000000}"#,
            #"{"username":"u","revision":99999999999999999999,"exp":2000000000}"#,
            #"{"username":"u","revision":"3","exp":2000000000}"#,
            #"{"username":"u","revision":3}"#,
            #"{"username":"u","revision":3,"exp":"2000000000"}"#,
            #"{"username":"u","revision":3,"exp":null}"#,
            #"{"username":"u","revision":3,"exp":1e999}"#,
            #"{"username":"\#(long)","revision":3,"exp":2000000000}"#,
            String(repeating: "[", count: 3000),
            String(repeating: #"{"username":"#, count: 300),
        ] { #expect(said(claims) == nil, "\(claims.prefix(60))") }
    }

    @Test("what is not three parts in base64url without padding, or is too long, is no token")
    func form() {
        for text in [
            "", ".", "..", "...", "a.b", "a.b.", ".b.c", "a..c", "YQ.YQ", "YQ.YQ.YQ.YQ",
            "YQ==.YQ.YQ", "YQ.YQ.YQ=", "Y+.YQ.YQ", "YQ.Y/.YQ", "YQ.YQ.Y", "YQ.YQ.Y!", "é.YQ.YQ",
            "YQ.YQ.YQ\0", String(repeating: "YWFh", count: 2048) + ".YQ.YQ",
        ] { #expect(JSONWebToken(text) == nil, "\(text.prefix(20))") }
        #expect(JSONWebToken("YQ.YQ.YQ") != nil)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...40)).map { _ in
                ".AZaz09-_=+/ ".utf8.randomElement(using: &random) ?? 0
            }
            _ = JSONWebToken(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test("what was not used for long goes first, and there is never more than the bound")
    func recentlyUsed() {
        var table = RecentlyUsed<Int, Int>(countMax: 10)
        for number in 0..<100 {
            table.add(number, number)
            #expect(table.count <= 10)
            #expect(table.use(number) == number)
            #expect(table.use(0) == 0, "what is in use stays")
        }
        #expect(table.use(50) == nil)
        table.add(7, 99)
        #expect(table.use(99) == 7)
    }
}

@Suite("--auth-token, and the files that it names")
struct AuthTokenOptionsTests {
    private let files = try? TokenFiles()

    @Test("the flag is read as etcd reads it")
    func syntax() throws {
        #expect(try AuthTokenOptions("simple") == .simple)
        #expect(try AuthTokenOptions("simple,any=thing") == .simple)
        let text = "jwt,pub-key=a,priv-key=b,sign-method=ES256,ttl=1h30m,other=1"
        guard case .jwt(let options) = try AuthTokenOptions(text) else {
            Issue.record("no JWT")
            return
        }
        #expect(options.algorithm == .es256 && options.secondsToLive == 5400)
        #expect(options.publicKeyPath == "a" && options.privateKeyPath == "b")
        #expect(options.unknownNames == ["other"])
        guard case .jwt(let short) = try AuthTokenOptions("jwt,pub-key=a,sign-method=EdDSA") else {
            Issue.record("no JWT")
            return
        }
        #expect(short.secondsToLive == 300 && short.privateKeyPath == nil)
    }

    @Test(
        "what cannot be meant is refused, and the message says why",
        arguments: [
            ("", "no kind of token"), ("JWT", "no kind of token"), ("simple,x", "not name=value"),
            ("jwt", "sign-method"), ("jwt,sign-method=", "sign-method"),
            ("jwt,sign-method=none,priv-key=a", "sign-method"),
            ("jwt,sign-method=rs256,priv-key=a", "sign-method"),
            ("jwt,sign-method=RS256", "no key"), ("jwt,sign-method=HS256,pub-key=a", "no key"),
            ("jwt,sign-method=RS256,priv-key=a=b", "not name=value"),
            ("jwt,sign-method=RS256,,priv-key=a", "not name=value"),
            ("jwt,priv-key=a,priv-key=a,sign-method=RS256", "twice"),
            ("jwt,sign-method=RS256,priv-key=a,ttl=5", "ttl"),
            ("jwt,sign-method=RS256,priv-key=a,ttl=0s", "ttl"),
            ("jwt,sign-method=RS256,priv-key=a,ttl=-5m", "ttl"),
            ("jwt,sign-method=RS256,priv-key=a,ttl=1e9h", "ttl"),
            ("jwt,sign-method=RS256,priv-key=a,ttl=5m5", "ttl"),
        ])
    func refused(text: String, reason: String) {
        #expect {
            try AuthTokenOptions(text)
        } throws: { error in
            "\(error)".contains("--auth-token") && "\(error)".contains(reason)
        }
    }

    @Test("files that do not hold the algorithm's key are refused by name")
    func wrongFiles() throws {
        let files = try #require(files)
        let rsa = try KeyTexts(.rs256), other = try KeyTexts(.rs256), curve = try KeyTexts(.es256)
        for (name, text) in [
            ("rsa", rsa.secret), ("rsa.pub", rsa.known), ("other.pub", other.known),
            ("ec", curve.secret), ("ec.pub", curve.known), ("empty", ""), ("noise", "-----BEGIN"),
            ("short", "0123456789012345678901234567890"),
        ] { try files.write(name, text ?? "") }
        for (method, secret, known, reason) in [
            ("RS256", "gone", nil, "cannot be read"), ("RS256", "empty", nil, "empty"),
            ("RS256", "noise", nil, "no private key"), ("RS256", "rsa.pub", nil, "no private key"),
            ("RS256", nil, "rsa", "no public key"), ("RS256", "ec", nil, "of no use for RS256"),
            ("RS256", "rsa", "other.pub", "not the key of"), ("ES256", "rsa", nil, "of no use"),
            ("ES384", "ec", nil, "of no use"), ("EdDSA", nil, "ec.pub", "of no use"),
            ("HS256", "short", nil, "at least 32 bytes"), ("HS512", "rsa", nil, ""),
        ] as [(String, String?, String?, String)] {
            var flag = "jwt,sign-method=\(method)"
            if let secret { flag += ",priv-key=" + files.path(secret) }
            if let known { flag += ",pub-key=" + files.path(known) }
            if reason.isEmpty {
                _ = try TokenFiles.open(flag)
                continue
            }
            #expect {
                try TokenFiles.open(flag)
            } throws: {
                "\($0)".contains("--auth-token") && "\($0)".contains(reason)
            }
        }
    }
}
