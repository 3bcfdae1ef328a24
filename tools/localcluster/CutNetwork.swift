import Glibc
import Synchronization

/// Servers in network namespaces of their own, with a router between them that loses, without a
/// word, what one of them sends to another: what a cut cable or a firewall does, where a process
/// that is killed or a port that is closed would say so.
///
/// This process reaches all of them through the router, whatever is cut. Needs root, and `ip` of
/// the package iproute2.
package final class CutNetwork: Sendable {
    /// The servers' addresses.
    package let hosts: [String]
    private let name: String
    private let cuts = Mutex<[[String]]>([])
    private static let count = Mutex(0)
    private static let prefix = "klcut"
    /// The router's link to this process.
    package static let outside = "out"

    /// Addresses are from 198.18.0.0/15, the range for tests of networks (RFC 2544), 32 of them.
    package init(nodeCount: Int) throws(LocalClusterError) {
        guard geteuid() == 0 else {
            throw .programMissing("ip netns", hint: "network namespaces are made by root only")
        }
        Self.removeStale()
        let number = Self.count.withLock { count in
            count += 1
            return count
        }
        name = "\(Self.prefix)\(getpid())-\(number)-"
        let block = (Int(getpid()) * 4 + number) % 4096
        func address(_ offset: Int) -> String {
            let low = block * 32 + offset
            return "198.\(18 + low >> 16).\(low >> 8 & 255).\(low & 255)"
        }
        hosts = (0..<nodeCount).map { address(4 * $0 + 2) }
        let router = name + "r"
        try Self.ip("netns", "add", router)
        _ = try Command.runSuccessfully(
            "ip",
            [
                "netns", "exec", router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward",
            ])
        for node in 0..<nodeCount {
            let own = "\(name)n\(node)"
            try Self.ip("netns", "add", own)
            try Self.ip("-n", own, "link", "set", "lo", "up")
            try Self.ip(
                "link", "add", "n\(node)", "netns", router, "type", "veth", "peer", "name", "eth0",
                "netns", own)
            let gate = address(4 * node + 1)
            try Self.ip("-n", router, "address", "add", gate + "/30", "dev", "n\(node)")
            try Self.ip("-n", router, "link", "set", "n\(node)", "up")
            try Self.ip("-n", own, "address", "add", hosts[node] + "/30", "dev", "eth0")
            try Self.ip("-n", own, "link", "set", "eth0", "up")
            try Self.ip("-n", own, "route", "add", "default", "via", gate)
        }
        let outside = "kl\(getpid())x\(number)"
        try Self.ip(
            "link", "add", outside, "type", "veth", "peer", "name", "out", "netns", router)
        try Self.ip("address", "add", address(29) + "/30", "dev", outside)
        try Self.ip("link", "set", outside, "up")
        try Self.ip("-n", router, "address", "add", address(30) + "/30", "dev", "out")
        try Self.ip("-n", router, "link", "set", "out", "up")
        for host in hosts { try Self.ip("route", "add", host + "/32", "via", address(30)) }
    }

    deinit { Self.remove(name) }

    /// The router's namespace: everything that passes between the servers, or between them and this
    /// process, is forwarded there.
    package var router: String { name + "r" }

    package var sites: [ServerSite] {
        hosts.enumerated().map { node, host in
            var site = ServerSite()
            site.host = host
            site.launcher = ["ip", "netns", "exec", "\(name)n\(node)"]
            return site
        }
    }

    /// From now on nothing that `from` sends reaches `to`; the other way is another cut.
    package func cut(from: Int, to: Int) throws(LocalClusterError) {
        let rule = ["from", hosts[from], "to", hosts[to], "blackhole"]
        _ = try Command.runSuccessfully("ip", ["-n", name + "r", "rule", "add"] + rule)
        cuts.withLock { $0.append(rule) }
    }

    /// Undoes every cut.
    package func heal() throws(LocalClusterError) {
        let rules = cuts.withLock { cuts in
            defer { cuts = [] }
            return cuts
        }
        for rule in rules {
            _ = try Command.runSuccessfully("ip", ["-n", name + "r", "rule", "del"] + rule)
        }
    }

    private static func ip(_ words: String...) throws(LocalClusterError) {
        _ = try Command.runSuccessfully("ip", words)
    }

    /// The namespaces' links go with them.
    private static func remove(_ name: String) {
        for namespace in namespaces() where namespace.hasPrefix(name) {
            _ = try? Command.run("ip", ["netns", "delete", namespace])
        }
    }

    private static func namespaces() -> [String] {
        let listed = (try? Command.run("ip", ["netns", "list"]))?.text ?? ""
        return listed.split(separator: "\n").compactMap { line in
            line.split(separator: " ").first.map(String.init)
        }
    }

    /// What processes left behind that were killed.
    private static func removeStale() {
        for namespace in namespaces() where namespace.hasPrefix(prefix) {
            let digits = namespace.dropFirst(prefix.count).prefix { $0.isNumber }
            guard let pid = pid_t(digits), kill(pid, 0) != 0, errno == ESRCH else { continue }
            _ = try? Command.run("ip", ["netns", "delete", namespace])
        }
    }
}
