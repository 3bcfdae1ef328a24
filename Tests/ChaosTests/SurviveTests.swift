import Foundation
import LocalCluster
import Testing

@Suite("Real processes under kill -9", .serialized)
struct SurviveTests {
    /// `KEELSON_SURVIVE_BIN`, else the tool beside the server under test.
    static func tool() throws -> String {
        if let path = ProcessInfo.processInfo.environment["KEELSON_SURVIVE_BIN"] { return path }
        let server = URL(filePath: try ServerProgram.underTest().path)
        let path = server.deletingLastPathComponent().appending(path: "keelson-survive").path
        try #require(FileManager.default.isExecutableFile(atPath: path), "no \(path)")
        return path
    }

    @Test("nothing acknowledged is lost, doubled or divergent: ten leaders killed, two total stops")
    func nothingIsLost() throws {
        let program = try ServerProgram.underTest()
        let output = try Command.run(
            try Self.tool(),
            [
                "--server", program.path, "--kind", program.kind.rawValue, "--name", "survive-test",
                "--kills", "10", "--graceful-stops", "3", "--total-stops", "2",
            ], limit: .seconds(240))
        // The figures are for the reader of the log; what is asserted is that nothing went wrong.
        print(output.text)
        #expect(output.status == .exited(0), "\(output.text)")
        #expect(output.text.contains("\nsurvived\n"))
    }
}

extension SurviveTests {
    @Test(
        "10,000 watchers see every event of their prefixes once, in order, while members are killed"
    )
    func watchSoak() throws {
        let program = try ServerProgram.underTest()
        let output = try Command.run(
            try Self.tool(),
            [
                "--server", program.path, "--kind", program.kind.rawValue, "--name", "soak-test",
                "--soak", "60",
            ], limit: .seconds(200))
        print(output.text)
        #expect(output.status == .exited(0), "\(output.text)")
        #expect(output.text.contains("\nsurvived\n"))
    }

    @Test(
        "a violation that is planted after the run is found",
        arguments: [
            ("lost", "LOST"), ("doubled", "DOUBLED"), ("refused", "was refused, and is there"),
            ("moved", "was acknowledged at"),
        ])
    func plantedViolations(plant: String, evidence: String) throws {
        let program = try ServerProgram.underTest()
        let output = try Command.run(
            try Self.tool(),
            [
                "--server", program.path, "--kind", program.kind.rawValue,
                "--name", "survive-planted", "--kills", "0", "--graceful-stops", "0",
                "--total-stops", "0", "--clients", "4", "--plant", plant,
            ], limit: .seconds(60))
        #expect(output.status == .exited(1))
        #expect(output.text.contains(evidence), "\(output.text)")
        #expect(output.text.contains("NOT SURVIVED"))
    }
}

@Suite("A large store", .serialized)
struct LargeStoreTests {
    @Test("100,000 keys: a late node catches up by snapshot, restarts and ranges disturb nobody")
    func hundredThousandKeys() throws {
        let program = try ServerProgram.underTest()
        let output = try Command.run(
            try ServerProgram.python(),
            [ServerProgram.scriptPath("large.py"), "--keys", "100000"],
            environment: [
                "KEELSON_BIN": program.path, "KEELSON_KIND": program.kind.rawValue,
                "ETCD_BIN": try ServerProgram.etcd().path,
            ], limit: .seconds(300))
        print(output.text)
        #expect(output.status == .exited(0), "\(output.text)")
    }
}
