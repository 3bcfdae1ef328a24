package import Foundation
import Glibc
import Synchronization

/// Real server processes on the loopback, under `.build/clusters/NAME`. What they logged stays
/// there until a cluster of the same name is made again; what they stored goes with the cluster:
/// many clusters with hundreds of megabytes each would fill a disk.
package final class ServerCluster: Sendable {
    /// The servers that are members now.
    package var nodes: [ServerNode] { members.withLock { $0 } }
    /// Servers that can be added: ``start(_:)`` leaves them alone.
    package let spares: [ServerNode]
    private let members: Mutex<[ServerNode]>
    package let folder: URL
    private let guardian: Guardian

    /// Where a cluster of that name has its logs.
    package static func folder(_ name: String) -> URL {
        ServerProgram.repositoryRoot.appending(path: ".build/clusters/\(name)")
    }

    /// Makes the folder and the nodes; ``start(_:)`` starts them.
    ///
    /// - Parameter sites: where the nodes run; those that it says nothing about, on the loopback.
    /// - Parameter spareCount: how many more servers there are to be, which join when they start.
    /// - Parameter keepsData: what the servers stored stays as well, until ``removeData()``. The
    ///   variable KEELSON_KEEP_DATA asks for that everywhere.
    package init(
        _ name: String, _ program: ServerProgram, nodeCount: Int = 3, spareCount: Int = 0,
        arguments: [String] = [], token: String? = nil, sites: [ServerSite] = [],
        keepsData: Bool = ServerCluster.keepsAllData
    ) throws(LocalClusterError) {
        let folder = Self.folder(name)
        self.folder = folder
        try? FileManager.default.removeItem(at: folder)
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let ports = try Ports.free(2 * (nodeCount + spareCount))
        let names = (1...(nodeCount + spareCount)).map { "node\($0)" }
        let sites = names.indices.map { $0 < sites.count ? sites[$0] : ServerSite() }
        let guardian = try Guardian(
            folder: folder, token: token ?? name,
            removing: keepsData ? [] : names.map { folder.appending(path: $0).path })
        self.guardian = guardian

        let urls = names.indices.map {
            "\(names[$0])=\(sites[$0].peerScheme)://\(sites[$0].host):\(ports[2 * $0 + 1])"
        }
        let all = names.indices.map { index in
            let isSpare = index >= nodeCount
            let named = isSpare ? urls : Array(urls[..<nodeCount])
            let shared =
                [
                    "--initial-cluster", named.joined(separator: ","),
                    "--initial-cluster-state", isSpare ? "existing" : "new",
                    "--initial-cluster-token", token ?? name,
                ] + arguments
            return ServerNode(
                name: names[index], ports: ports[(2 * index)..<(2 * index + 2)], folder: folder,
                program: program, site: sites[index], clusterArguments: shared,
                onStart: { guardian.note($0) })
        }
        members = Mutex(Array(all[..<nodeCount]))
        spares = Array(all[nodeCount...])
    }

    /// An agent that dials the members of now, with its files in the cluster's folder. It is not
    /// started.
    /// - Parameter flags: beyond the addresses and the work directory.
    package func agent(
        _ name: String, _ program: ServerProgram, flags: [String], scheme: String = "http"
    ) throws(LocalClusterError) -> AgentNode {
        let urls = nodes.map(\.clientURL).joined(separator: ",")
        return AgentNode(
            name: name, scheme: scheme, port: try Ports.free(1)[0], folder: folder,
            path: program.path,
            flags: ["--endpoints", urls] + flags, onStart: { [guardian] in guardian.note($0) })
    }

    /// These are the members from now on.
    package func setMembers(_ nodes: [ServerNode]) { members.withLock { $0 = nodes } }

    package var endpoints: [String] { nodes.map { $0.endpoint } }

    /// Starts all nodes at once and waits until each is ready.
    package func start(_ limit: Duration = .seconds(30)) throws(LocalClusterError) {
        var started: [(ServerNode, ChildProcess, UInt64)] = []
        for node in nodes where !node.isRunning {
            let offset = node.logSize
            started.append((node, try node.launch(), offset))
        }
        for (node, child, offset) in started {
            try node.waitUntilReady(child, from: offset, limit)
        }
    }

    /// `kill -9` to every node, all at once.
    package func killAll() {
        for node in nodes { node.current?.send(signal: SIGKILL) }
        for node in nodes { node.killHard() }
    }

    package func stopAll() throws(LocalClusterError) {
        for node in nodes { node.current?.send(signal: SIGTERM) }
        for node in nodes { try node.stopGracefully() }
    }

    package static var keepsAllData: Bool {
        ProcessInfo.processInfo.environment["KEELSON_KEEP_DATA"] != nil
    }

    /// Removes what stopped servers stored; their logs stay.
    package func removeData() {
        if Self.keepsAllData { return }
        for node in nodes + spares {
            try? FileManager.default.removeItem(atPath: node.dataDirectory)
        }
    }

    /// The ends of all logs, for a failure's message.
    package func logTails(lines: Int = 30) -> String {
        nodes.map { "--- \($0.name) (\($0.logPath))\n\($0.logTail(lines: lines))" }
            .joined(separator: "\n")
    }
}

/// Kills the servers, and removes what they stored, when the process that started them is gone,
/// however it went: it reads from a pipe whose other end closes with us.
final class Guardian: Sendable {
    private let process: ChildProcess
    private let descriptor: Int32
    private let pidPath: String
    private let lock = Mutex<Void>(())

    /// - Parameter token: what the servers, and no others, have in their command lines.
    /// - Parameter removing: directories in which they store.
    init(folder: URL, token: String, removing: [String]) throws(LocalClusterError) {
        pidPath = folder.appending(path: "pids").path
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .cannotSpawn(path: "pipe", code: errno) }
        // A server that inherited our end would keep the pipe open after us.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        descriptor = ends[1]
        let script = """
            cat >/dev/null
            for pid in $(cat "$1" 2>/dev/null); do
              if grep -qa -- "$2" "/proc/$pid/cmdline" 2>/dev/null; then kill -9 "$pid"; fi
            done
            shift 2
            # A server that is still dying may make a file while its folder is removed.
            rm -rf -- "$@" || { sleep 1; rm -rf -- "$@"; }
            """
        process = try ChildProcess(
            "/bin/sh", ["-c", script, "guardian", pidPath, token] + removing,
            outputPath: folder.appending(path: "guardian.log").path, inputDescriptor: ends[0])
        close(ends[0])
    }

    func note(_ pid: pid_t) {
        lock.withLock { _ in
            guard let file = fopen(pidPath, "a") else { return }
            fputs("\(pid)\n", file)
            fclose(file)
        }
    }

    deinit {
        close(descriptor)
        _ = process.waitForExit(.seconds(10))
    }
}
