import ControlPlane
import Foundation
import Primitives
import Testing

/// What signed tokens cost. Run it alone: KEELSON_BENCH=1, in a release build.
@Suite(
    "What signed tokens cost", .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["KEELSON_BENCH"] != nil))
struct JWTBench {
    private func microseconds(_ count: Int, _ body: () throws -> Void) rethrows -> Double {
        let begin = ContinuousClock.now
        for _ in 0..<count { try body() }
        let (seconds, attoseconds) = (ContinuousClock.now - begin).components
        return (Double(seconds) * 1e6 + Double(attoseconds) / 1e12) / Double(count)
    }

    @Test("signing, verifying, and knowing one again", arguments: JWTAlgorithm.allCases)
    func cost(algorithm: JWTAlgorithm) throws {
        let files = try TokenFiles()
        let opened = try files.pair(algorithm)
        let keys = opened.current().keys
        let claims = JWTClaims(user: Array("alice".utf8), revision: 7, expiresAt: 2e9)
        let text = try #require(try JSONWebToken.make(claims, keys))
        let token = try #require(JSONWebToken(text))
        let sign = try microseconds(200) { _ = try JSONWebToken.make(claims, keys) }
        let verify = microseconds(500) { _ = token.verified(by: keys) }
        var table = RecentlyUsed<Bytes, JWTClaims>(countMax: 10)
        table.add(claims, try #require(JSONWebToken.digest(of: text)))
        let known = microseconds(20_000) {
            _ = opened.current()
            _ = JSONWebToken.digest(of: text).flatMap { table.use($0) }
        }
        let numbers = [sign, verify, known].map { String(format: "%8.1f", $0) }
        print(
            "\(algorithm.rawValue): \(text.utf8.count) bytes; microseconds to sign, verify, know:",
            numbers.joined(separator: " "))
    }
}
