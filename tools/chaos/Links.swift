internal import Foundation
internal import Glibc
internal import LocalCluster
internal import Synchronization

/// Rules by which the router between the servers loses what passes through it, all of it or some at
/// random, or holds it for a while (iptables). A rule says nothing to whoever sends.
final class Links: Sendable {
    private let network: CutNetwork
    /// How many faults have put each rule there.
    private let rules = Mutex<[Rule: Int]>([:])
    /// Holds packets; ends when the descriptor closes.
    private let holder: ChildProcess
    private let holderInput: Int32

    struct Rule: Hashable, Sendable {
        /// Nil: the clients.
        var from: Int?
        var to: Int
        var fate: Fate
    }

    enum Fate: Hashable, Sendable {
        /// Of a thousand packets; a thousand loses all.
        case lost(perMille: Int)
        /// For up to 20 ms, 0.2 s or 1.5 s (delay_packets.py).
        case held(Hold)
    }

    /// The raw value is the number of the packets' queue.
    enum Hold: Int, Sendable, CaseIterable {
        case short = 1
        case middling = 2
        case long = 3
    }

    init(_ network: CutNetwork, log: String) throws(LocalClusterError) {
        self.network = network
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .cannotSpawn(path: "pipe", code: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        holderInput = ends[1]
        let script = ServerProgram.repositoryRoot.appending(path: "tools/chaos/delay_packets.py")
        holder = try ChildProcess(
            "ip", ["netns", "exec", network.router, "python3", script.path], outputPath: log,
            inputDescriptor: ends[0])
        close(ends[0])
    }

    deinit {
        close(holderInput)
        _ = holder.waitForExit(.seconds(5))
    }

    func add(_ rule: Rule) throws(LocalClusterError) {
        rules.withLock { $0[rule, default: 0] += 1 }
        try run("-A", rule)
    }

    func remove(_ rule: Rule) throws(LocalClusterError) {
        let wasThere = rules.withLock { rules in
            guard let count = rules[rule], count > 0 else { return false }
            rules[rule] = count - 1
            return true
        }
        if wasThere { try run("-D", rule) }
    }

    func heal() throws(LocalClusterError) {
        rules.withLock { $0 = [:] }
        try iptables(["-F", "FORWARD"])
    }

    /// Whether this machine has what the rules need.
    static func check(_ network: CutNetwork) throws(LocalClusterError) {
        try iptables(["-F", "FORWARD"], in: network)
    }

    /// Whether it has what holds packets.
    static func canHold(_ network: CutNetwork) -> Bool {
        let rule = ["FORWARD", "-j", "NFQUEUE", "--queue-num", "9", "--queue-bypass"]
        return (try? iptables(["-A"] + rule, in: network)) != nil
            && (try? iptables(["-D"] + rule, in: network)) != nil
    }

    private func run(_ verb: String, _ rule: Rule) throws(LocalClusterError) {
        let source = rule.from.map { ["-s", network.hosts[$0]] } ?? ["-i", CutNetwork.outside]
        let fate: [String]
        switch rule.fate {
        case .lost(1000): fate = ["-j", "DROP"]
        case .lost(let perMille):
            fate = [
                "-m", "statistic", "--mode", "random", "--probability",
                "0.\(String(1000 + perMille).dropFirst())", "-j", "DROP",
            ]
        case .held(let hold):
            fate = ["-j", "NFQUEUE", "--queue-num", "\(hold.rawValue)", "--queue-bypass"]
        }
        try iptables([verb, "FORWARD"] + source + ["-d", network.hosts[rule.to]] + fate)
    }

    private func iptables(_ words: [String]) throws(LocalClusterError) {
        try Self.iptables(words, in: network)
    }

    private static func iptables(
        _ words: [String], in network: CutNetwork
    ) throws(LocalClusterError) {
        _ = try Command.runSuccessfully(
            "ip", ["netns", "exec", network.router, "iptables", "-w"] + words)
    }
}
