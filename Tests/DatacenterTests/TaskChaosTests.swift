import Foundation
import LocalCluster
import Testing

@Suite("Tasks under a nemesis", .serialized)
struct TaskChaosTests {
    /// Behind 90 s of faults come a recovery, the ends of the longest tasks and a look at what is
    /// left: at most 60, 90 and 60 s.
    @Test("servers and agents are killed, paused and cut off: every task is accounted for once")
    func everyTaskIsAccountedFor() throws {
        let program = try ServerProgram.underTest()
        let root = ServerProgram.repositoryRoot
        let script = root.appending(path: "tools/chaos-tasks/chaos_tasks.py").path
        let history = ServerCluster.folder("chaos-tasks-test").path + ".jsonl"
        let output = try Command.run(
            try ServerProgram.python(),
            [
                script, "--binary", program.path, "--seconds", "90", "--plant", "all",
                "--folder", ServerCluster.folder("chaos-tasks-test").path, "--history", history,
            ], limit: .seconds(330))
        print(output.text)
        #expect(output.status == .exited(0), "\(output.text)")
    }
}
