import Foundation
import LocalCluster
import Testing

@Suite("Services under a nemesis", .serialized)
struct ServiceChaosTests {
    /// Behind 90 s of faults come recoveries, moments of rest, and the end of all services: at most
    /// 60, 90 and 60 s each.
    @Test("services change while servers and agents break: each becomes what it is to be, once")
    func everyServiceConverges() throws {
        let program = try ServerProgram.underTest()
        let root = ServerProgram.repositoryRoot
        let script = root.appending(path: "tools/chaos-datacenter/chaos_services.py").path
        let folder = ServerCluster.folder("chaos-services-test").path
        let output = try Command.run(
            try ServerProgram.python(),
            [
                script, "--binary", program.path, "--seconds", "90", "--plant", "all",
                "--folder", folder, "--history", folder + ".jsonl",
            ], limit: .seconds(480))
        print(output.text)
        #expect(output.status == .exited(0), "\(output.text)")
    }
}
