internal import LocalCluster
internal import Synchronization

/// Rules by which the router between the servers loses what passes through it: all of it, or some
/// of it at random (iptables). A rule says nothing to whoever sends.
final class Links: Sendable {
    private let network: CutNetwork
    /// How many faults have put each rule there.
    private let rules = Mutex<[Rule: Int]>([:])

    struct Rule: Hashable, Sendable {
        /// Nil: the clients.
        var from: Int?
        var to: Int
        /// Of a thousand packets; a thousand loses all.
        var perMille: Int
    }

    init(_ network: CutNetwork) { self.network = network }

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

    private func run(_ verb: String, _ rule: Rule) throws(LocalClusterError) {
        let source = rule.from.map { ["-s", network.hosts[$0]] } ?? ["-i", CutNetwork.outside]
        let chance =
            rule.perMille < 1000
            ? [
                "-m", "statistic", "--mode", "random", "--probability",
                "0.\(String(1000 + rule.perMille).dropFirst())",
            ] : []
        try iptables(
            [verb, "FORWARD"] + source + ["-d", network.hosts[rule.to]] + chance + ["-j", "DROP"])
    }

    private func iptables(_ words: [String]) throws(LocalClusterError) {
        _ = try Command.runSuccessfully(
            "ip", ["netns", "exec", network.router, "iptables", "-w"] + words)
    }
}
