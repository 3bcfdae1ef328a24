internal import ArgumentParser
internal import Foundation
internal import Glibc
internal import LocalCluster
internal import Primitives
internal import Simulation

@main
struct Chaos: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keelson-chaos",
        abstract:
            "Strikes real servers with overlapping faults, and checks what their clients saw.",
        discussion: """
            Servers in network namespaces of their own (as root, with the packages iproute2 and \
            iptables; else on the loopback, with faults of processes only) are killed, paused, \
            stopped and cut off from each other, while clients read, write, watch and hold \
            leases over the etcd API. At the end every answer and every event is held against \
            the promises of docs/history-format.md.

            Example: keelson-chaos --server .build/release/keelson --seconds 180 --seed 7

            Exit status: 0 when all held, 1 when not; the history (JSON Lines) stays in \
            --history, data and logs under .build/clusters/chaos.
            """)

    @Option(help: "The server's binary; KEELSON_BIN or the build's own without it.")
    var server: String?
    @Option(help: "Servers: 3 or 5.")
    var nodes: Int = 3
    @Option(help: "Clients that call at a time.")
    var clients: Int = 16
    @Option(help: "Watches at a time, beside the one that collects everything.")
    var watches: Int = 6
    @Option(help: "Calls that all clients together begin a second, about.")
    var rate: Int = 400
    @Option(help: "Seconds of faults.")
    var seconds: Int = 60
    @Option(help: "Draws faults and calls; a run prints its own.")
    var seed: UInt64?
    @Option(help: "Folder for history.jsonl.")
    var history: String = ".build/chaos"
    @Option(help: "Where the JSON report goes.")
    var report: String?
    @Option(help: "Only these kinds of faults, separated by commas.")
    var faults: String?
    @Flag(help: "Change bytes in old files of nodes that are down, too.")
    var corrupt = false
    @Flag(help: "Stay on the loopback, with faults of processes only.")
    var loopback = false
    @Option(help: "Only check this history (JSON Lines), without servers.")
    var check: String?
    @Option(help: ArgumentHelp("Plants a violation that must be found.", visibility: .hidden))
    var plant: Sabotage?
    @Option(help: "The name of the folder under .build/clusters.")
    var name: String = "chaos"

    func validate() throws {
        guard nodes == 3 || nodes == 5 else { throw ValidationError("--nodes must be 3 or 5") }
        guard (1...256).contains(clients), (0...256).contains(watches) else {
            throw ValidationError("--clients must be from 1 to 256, --watches from 0 to 256")
        }
        guard (1...100_000).contains(rate), (1...1_000_000).contains(seconds) else {
            throw ValidationError("--rate and --seconds must be positive")
        }
        for kind in faults?.split(separator: ",") ?? []
        where FaultKind(rawValue: String(kind)) == nil {
            let known = FaultKind.allCases.map { $0.rawValue }.joined(separator: ", ")
            throw ValidationError("'\(kind)' is no kind of fault; known: \(known)")
        }
    }

    func run() throws {
        if let check { return try checkOnly(check) }
        let program = try server.map { ServerProgram(kind: .keelson, path: $0) } ?? .underTest()
        var run = try ChaosRun(self, program, seed: seed ?? UInt64.random(in: 0...0xFFFF_FFFF))
        let report = try run.perform()
        print(report.text)
        if let path = self.report { try report.write(to: path) }
        if !report.violations.isEmpty { throw ExitCode(1) }
    }

    private func checkOnly(_ path: String) throws {
        let bytes = try [UInt8](Data(contentsOf: URL(filePath: path)))
        let judgement = Judgement(try HistoryLines.decode(bytes), .init())
        for violation in judgement.violations { print("VIOLATION: \(violation)") }
        print(judgement.violations.isEmpty ? "held" : "NOT HELD")
        if !judgement.violations.isEmpty { throw ExitCode(1) }
    }

    /// The kinds that this run may use.
    func kinds(hasNetwork: Bool) -> [FaultKind] {
        let wanted = faults?.split(separator: ",").compactMap { FaultKind(rawValue: String($0)) }
        return (wanted ?? FaultKind.allCases).filter { kind in
            (hasNetwork || !kind.needsNetwork) && (kind != .corrupt || corrupt || wanted != nil)
        }
    }
}
