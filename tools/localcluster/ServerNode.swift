import Foundation
import Glibc
import Synchronization

/// One member of a ``ServerCluster``: its address, its data and, while it runs, its process.
package final class ServerNode: Sendable {
    package let name: String
    package let host: String
    package let clientPort: Int
    package let peerPort: Int
    package let dataDirectory: String
    package let logPath: String
    private let program: ServerProgram
    private let site: ServerSite
    private let clusterArguments: [String]
    private let process = Mutex<ChildProcess?>(nil)
    private let onStart: @Sendable (pid_t) -> Void

    init(
        name: String, ports: ArraySlice<Int>, folder: URL, program: ServerProgram,
        site: ServerSite, clusterArguments: [String], onStart: @escaping @Sendable (pid_t) -> Void
    ) {
        self.name = name
        host = site.host
        self.site = site
        let ports = Array(ports)
        clientPort = ports[0]
        peerPort = ports[1]
        dataDirectory = site.dataDirectory ?? folder.appending(path: name).path
        logPath = folder.appending(path: "\(name).log").path
        self.program = program
        self.clusterArguments = clusterArguments
        self.onStart = onStart
    }

    package var peerURL: String { "\(site.peerScheme)://\(host):\(peerPort)" }
    package var clientURL: String { "\(site.clientScheme)://\(endpoint)" }
    package var endpoint: String { "\(host):\(clientPort)" }

    package var arguments: [String] {
        let own = [
            "--name", name, "--data-dir", dataDirectory,
            "--listen-client-urls", clientURL, "--advertise-client-urls", clientURL,
            "--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL,
        ]
        let rest = clusterArguments + site.arguments + program.extraArguments
        switch program.kind {
        case .keelson:
            return ["server"] + own + rest
        case .etcd: return own + ["--log-level", "info"] + rest
        }
    }

    package var current: ChildProcess? { process.withLock { $0 } }
    package var isRunning: Bool { current?.isRunning ?? false }

    /// Starts the process without waiting for it to be ready. `more` goes behind the usual flags,
    /// `environment` is `NAME=value` each.
    @discardableResult
    package func launch(
        more: [String] = [], environment: [String] = []
    ) throws(LocalClusterError) -> ChildProcess {
        let env = environment.isEmpty ? [] : ["/usr/bin/env"] + environment
        let words = site.launcher + env + [program.path] + arguments + more
        let child = try ChildProcess(words[0], Array(words.dropFirst()), outputPath: logPath)
        onStart(child.pid)
        process.withLock { $0 = child }
        return child
    }

    /// Starts the process and waits until it says that it serves clients. Returns how long that
    /// took.
    @discardableResult
    package func start(
        _ limit: Duration = .seconds(30), environment: [String] = []
    ) throws(LocalClusterError) -> Duration {
        let offset = logSize
        let begin = ContinuousClock.now
        let child = try launch(environment: environment)
        try waitUntilReady(child, from: offset, limit)
        return ContinuousClock.now - begin
    }

    package func waitUntilReady(
        _ child: ChildProcess, from offset: UInt64, _ limit: Duration
    ) throws(LocalClusterError) {
        let outcome = Patience.wait(limit) { () -> Bool? in
            if child.output(from: offset).contains("ready to serve client requests") { return true }
            return child.isRunning ? nil : false
        }
        if outcome == true { return }
        if let status = child.exitStatus {
            throw .exitedAtStart(name: name, status: status, log: child.outputTail())
        }
        throw .notReady(name: name, seconds: limit.milliseconds / 1e3, log: child.outputTail())
    }

    package var logSize: UInt64 {
        let attributes = try? FileManager.default.attributesOfItem(atPath: logPath)
        return (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
    }

    /// `kill -9`, as a lost process: it gets no chance to say good-bye.
    package func killHard() { current?.killHard() }

    /// SIGTERM, and waits for the end of the process.
    @discardableResult
    package func stopGracefully(_ limit: Duration = .seconds(30)) throws(LocalClusterError)
        -> ExitStatus?
    {
        guard let child = current else { return nil }
        child.send(signal: SIGTERM)
        guard let status = child.waitForExit(limit) else {
            throw .stillRunning(
                name: name, seconds: limit.milliseconds / 1e3, log: child.outputTail())
        }
        return status
    }

    package func logTail(lines: Int = 40) -> String {
        let text = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }

    /// Resident memory of the running process in bytes, zero when it does not run. Source: proc(5).
    package var residentBytes: Int {
        guard let child = current, child.isRunning,
            let text = try? String(contentsOfFile: "/proc/\(child.pid)/statm", encoding: .utf8)
        else { return 0 }
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(getpagesize())
    }
}
