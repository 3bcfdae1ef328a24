import ControlPlane
import Foundation
import Testing

@Suite("The Authorization header")
struct GivenCredentialsTests {
    private static func basic(_ text: String) -> String {
        "Basic " + Data(text.utf8).base64EncodedString()
    }

    @Test("a name and a password are read, with colons and without letters")
    func passwords() {
        for (text, name, password) in [
            ("alice:secret", "alice", "secret"), ("alice:", "alice", ""),
            ("alice:a:b:c", "alice", "a:b:c"), ("ä:ö", "ä", "ö"),
        ] {
            let given = GivenCredentials(authorization: [Self.basic(text)])
            #expect(given == .password(user: Array(name.utf8), Array(password.utf8)), "\(text)")
        }
        let spaced = "basic   " + Data("a:b".utf8).base64EncodedString()
        #expect(GivenCredentials(authorization: [spaced]) == .password(user: [97], [98]))
    }

    @Test(
        "a token is read in every way that clients say it",
        arguments: ["Bearer abc.12", "bearer abc.12", "token=abc.12", "Token=abc.12", "abc.12"])
    func tokens(text: String) {
        #expect(GivenCredentials(authorization: [text]) == .token("abc.12"))
    }

    @Test("nothing is nothing")
    func nothing() { #expect(GivenCredentials(authorization: []) == .none) }

    @Test(
        "whatever else is there is nobody's word",
        arguments: [
            "", "   ", "Basic", "Basic ", "Basic !!!", "Basic YWxpY2U=", "Bearer", "Bearer ",
            "token=", "Digest username=\"a\"", "Bearer a b", "Basic Og==", "Bearer \u{7F}", "a\tb",
            "Basic " + String(repeating: "A", count: 20_000), String(repeating: "t", count: 20_000),
        ])
    func garbage(text: String) {
        #expect(GivenCredentials(authorization: [text]) == .unreadable)
    }

    @Test("two that differ are two users, and so nobody")
    func twice() {
        #expect(
            GivenCredentials(authorization: [Self.basic("a:b"), "Bearer x"]) == .unreadable)
    }

    @Test("any bytes are taken or refused, and never more")
    func anyBytes() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let count = Int.random(in: 0..<40, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = String(decoding: bytes, as: UTF8.self)
            for prefix in ["", "Basic ", "Bearer ", "token="] {
                _ = GivenCredentials(authorization: [prefix + text])
            }
        }
    }
}
