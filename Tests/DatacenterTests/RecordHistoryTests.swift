import Foundation
import LocalCluster
import Testing

@Suite("The past of the datacenter's records, with real servers", .serialized)
struct RecordHistoryTests {
    @Test("records' past goes when its time is over, through a restart; clients' keys keep theirs")
    func retention() throws {
        let cluster = try DatacenterCluster(
            "record-history", serverCount: 1, agentCount: 1,
            flags: ["--record-history-retention", "2s"])
        let program = try ServerProgram.underTest()
        let asking = ["--endpoints", cluster.servers.endpoints.joined(separator: ",")]
        func run(_ words: String...) throws -> Command.Output {
            try Command.run(program.path, words + asking)
        }
        for value in ["old", "new"] { _ = try run("kv", "put", "k", value) }
        let json = try run("kv", "get", "k", "-o", "json").text
        let match = try #require(json.firstMatch(of: /"mod_revision":"?(\d+)/), "\(json)")
        let written = try #require(Int(match.1))
        func records(_ revision: Int) throws -> Command.Output {
            try run("kv", "get", "--prefix", "/keelson/", "--keys-only", "--rev", "\(revision)")
        }
        #expect(try records(written).status == .exited(0))
        let isCompacted = Patience.wait(.seconds(60)) { () -> Bool? in
            // What happens is what makes the time pass in the log.
            _ = try? Command.run(program.path, ["task", "run"] + asking + ["--", "true"])
            let found = try? records(written)
            return found?.text.contains("required revision has been compacted") == true
                ? true : nil
        }
        try #require(isCompacted == true, "\(cluster.servers.nodes[0].logTail())")
        #expect(try run("kv", "get", "k", "--rev", "\(written - 1)").text.contains("old"))

        cluster.servers.nodes[0].killHard()
        try cluster.servers.nodes[0].start()
        let again = try records(written)
        #expect(again.text.contains("required revision has been compacted"), "\(again.text)")
        #expect(try run("kv", "get", "k", "--rev", "\(written - 1)").text.contains("old"))
        let list = try run("task", "list", "--all", "-o", "json").text
        #expect(list.contains("TASK_FINISHED"), "\(list)")
    }
}
