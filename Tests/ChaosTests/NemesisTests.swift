import Foundation
import LocalCluster
import Testing

@Suite("Real processes under a nemesis", .serialized)
struct NemesisTests {
    /// `KEELSON_CHAOS_BIN`, else the tool beside the server under test.
    private static func tool() throws -> String {
        if let path = ProcessInfo.processInfo.environment["KEELSON_CHAOS_BIN"] { return path }
        let server = URL(filePath: try ServerProgram.underTest().path)
        let path = server.deletingLastPathComponent().appending(path: "keelson-chaos").path
        try #require(FileManager.default.isExecutableFile(atPath: path), "no \(path)")
        return path
    }

    private static let folder =
        ServerProgram.repositoryRoot.appending(path: ".build/chaos-test").path

    @Test(
        "every answer and event holds under kills, pauses, cuts and losses; planted lies are found"
    )
    func everythingHolds() throws {
        let program = try ServerProgram.underTest()
        guard program.kind == .keelson else { return }
        let output = try Command.run(
            try Self.tool(),
            [
                "--server", program.path, "--name", "chaos-test", "--history", Self.folder,
                "--seconds", "70",
            ], limit: .seconds(240))
        // The figures are for the reader of the log; what is asserted is that nothing went wrong.
        print(output.text)
        #expect(output.status == .exited(0), "\(output.text)")
        #expect(output.text.contains("\nheld\n"))

        let history = Self.folder + "/history.jsonl"
        for (plant, evidence) in [
            (nil, "held"), ("lost", "K1 broken"), ("stale", "K2 broken"), ("gap", "W3 broken"),
            ("doubled", "K6 broken"), ("twoHolders", "Q1 broken"), ("unfenced", "Q2 broken"),
            ("toldTwice", "Q6 broken"),
        ] {
            let checked = try Command.run(
                try Self.tool(), ["--check", history] + (plant.map { ["--plant", $0] } ?? []),
                limit: .seconds(120))
            #expect(checked.status == .exited(plant == nil ? 0 : 1), "\(plant ?? "nothing")")
            #expect(checked.text.contains(evidence), "\(plant ?? "nothing"): \(checked.text)")
        }
    }
}
