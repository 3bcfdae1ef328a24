import Foundation
import LocalCluster
import Testing

@Suite("keelson lock and keelson elect", .serialized)
struct HoldTests {
    private func run(_ words: String...) throws -> Command.Output {
        let endpoints = try SharedCluster.current.endpoints.joined(separator: ",")
        let head = Array(words.prefix { $0 != "--" }) + ["--endpoints", endpoints]
        return try Command.run(
            try ServerProgram.underTest().path, head + words.drop { $0 != "--" },
            limit: .seconds(30))
    }

    private var isKeelson: Bool { (try? ServerProgram.underTest())?.kind == .keelson }

    @Test("a command runs alone, with a token that grows, and its status is handed on")
    func lock() throws {
        guard isKeelson else { return }
        let script = "echo token $KEELSON_FENCING_TOKEN; exit 7"
        var tokens: [Int] = []
        for _ in 0..<2 {
            let output = try run("lock", "held", "--", "sh", "-c", script)
            #expect(output.status == .exited(7), "\(output.text)")
            let words = output.text.split(whereSeparator: \.isWhitespace)
            tokens.append(try #require(words.last.flatMap { Int($0) }, "\(output.text)"))
        }
        #expect(tokens[0] > 0 && tokens[1] > tokens[0])
    }

    @Test("whoever is elected is seen by others, and no more when the command has ended")
    func elect() throws {
        guard isKeelson else { return }
        let program = try ServerProgram.underTest().path
        let endpoint = try SharedCluster.current.nodes[1].endpoint
        let look = "\(program) kv get --prefix chosen/ --endpoints \(endpoint)"
        let output = try run("elect", "chosen", "--value", "it is me", "--", "sh", "-c", look)
        #expect(output.status == .exited(0) && output.text.contains("it is me"))
        let after = try Command.run("/bin/sh", ["-c", look], limit: .seconds(10))
        #expect(!after.text.contains("it is me"))
    }

    @Test("nothing to run, and a command that is not there, are said so")
    func bad() throws {
        guard isKeelson else { return }
        let none = try run("lock", "held")
        #expect(none.status == .exited(64) && none.text.contains("nothing to run"))
        let missing = try run("lock", "held", "--", "/nonexistent")
        #expect(missing.status == .exited(127))
    }
}
