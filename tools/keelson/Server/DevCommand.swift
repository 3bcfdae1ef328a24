internal import ArgumentParser
internal import KeelsonClient

/// `keelson dev`: a whole cluster on this machine, to try things on.
struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Run a cluster of three servers and two agents on this machine.",
        discussion: """
            Node i listens on the usual ports and 10·(i-1) more: clients on 2379, 2389, 2399, peers
            on 2380, 2390, 2400, the HTTP APIs on 5050, 5060, 5070; agents on 5051 and 5061.
            The data survive in --data-dir; remove it for a fresh start. What dies is started again
            after three seconds. Ctrl-C stops all gracefully; tasks go on, and are found again.

            EXAMPLE:
              keelson dev --data-dir /tmp/keelson-dev
            """)

    @Option(help: "Where servers and agents keep their data and logs.") var dataDir = "keelson-dev"
    @Option(help: "Client port of the first server.") var basePort = 2379
    @Option(help: "HTTP port of the first server; the first agent has the next.")
    var httpPort = 5050

    func run() async throws {
        guard (1024...65_000).contains(basePort) else {
            throw Failure(
                .usage, "--base-port \(basePort) cannot be used: it must be from 1024 to 65000")
        }
        guard (1024...65_000).contains(httpPort) else {
            throw Failure(
                .usage, "--http-port \(httpPort) cannot be used: it must be from 1024 to 65000")
        }
        let cluster = try DevCluster(folder: dataDir, basePort: basePort, httpPort: httpPort)
        let status = await cluster.run()
        if status != 0 { throw ExitCode(status) }
    }
}
