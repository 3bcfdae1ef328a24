import Foundation
import LocalCluster
import Testing

/// Servers and agents with users: `root`, `agent`, `reader` (reads all records), `ops` (reads and
/// writes all records) and `framework`. Each one's password is the name.
struct UserCluster: Sendable {
    let cluster: DatacenterCluster
    let program: ServerProgram

    init(_ name: String, serverCount: Int = 1, agentCount: Int = 1) throws {
        let program = try ServerProgram.underTest()
        self.program = program
        cluster = try DatacenterCluster(
            name, serverCount: serverCount, agentCount: agentCount,
            agentFlags: ["--user", "agent:agent"]
        ) { servers in
            try Self.addUsers(program, servers.endpoints.joined(separator: ","))
        }
    }

    private static func addUsers(_ program: ServerProgram, _ endpoints: String) throws {
        let local = "/keelson/local/"
        let leave = [
            ("agent", [("readwrite", local + "agents/")]), ("reader", [("read", "/keelson/")]),
            ("ops", [("readwrite", "/keelson/")]),
            ("framework", [("readwrite", local + "frameworks/"), ("read", local + "master")]),
        ]
        var lines = ["set -e", "k() { '\(program.path)' \"$@\" --endpoints '\(endpoints)'; }"]
        lines += ["echo root | k user add root", "k user grant-role root root"]
        for (name, permissions) in leave {
            lines.append("echo \(name) | k user add \(name)")
            lines.append("k role add \(name)")
            for (kind, prefix) in permissions {
                lines.append("k role grant-permission \(name) \(kind) --prefix \(prefix)")
            }
            lines.append("k user grant-role \(name) \(name)")
        }
        lines.append("k auth enable")
        let script = try Command.run("sh", ["-c", lines.joined(separator: "\n")])
        try #require(script.status == .exited(0), "\(script.text)")
    }

    var endpoints: String { cluster.servers.endpoints.joined(separator: ",") }

    /// `keelson`, as somebody.
    func run(as name: String?, _ words: String...) throws -> Command.Output {
        let end = words.firstIndex(of: "--") ?? words.endIndex
        let user = name.map { ["--user", "\($0):\($0)"] } ?? []
        return try Command.run(
            program.path,
            Array(words[..<end]) + ["--endpoints", endpoints] + user + Array(words[end...]))
    }

    /// The status of a GET, as somebody.
    func status(as name: String?, _ path: String) throws -> String {
        let user = name.map { ["-u", "\($0):\($0)"] } ?? []
        return try Command.run(
            "curl",
            ["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"] + user + [
                "http://\(cluster.http(0))\(path)"
            ]
        ).text
    }
}
