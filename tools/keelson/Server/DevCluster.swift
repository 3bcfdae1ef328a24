internal import Dispatch
internal import Foundation
internal import KeelsonClient
internal import Synchronization

/// Three servers and two agents on the loopback, watched: a line a second, and new life for one
/// that dies.
final class DevCluster {
    private let servers: [DevProcess]
    private let agents: [DevProcess]
    private let folder: String
    private let httpPort: Int
    private let interruption = Interruption()

    private var processes: [DevProcess] { servers + agents }

    /// - Parameters:
    ///   - basePort: of the first server's clients.
    ///   - httpPort: of the first server's HTTP API; the agents' follow it.
    init(folder: String, basePort: Int, httpPort: Int) throws {
        self.folder = folder
        self.httpPort = httpPort
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure(.inputOutput, "\(folder) cannot be made: \(error.localizedDescription)")
        }
        let members = (0..<3).map { "n\($0 + 1)=http://127.0.0.1:\(basePort + 1 + 10 * $0)" }
        servers = (0..<3).map { number in
            let name = "n\(number + 1)"
            let client = basePort + 10 * number
            return DevProcess(
                name: name, endpoint: "http://127.0.0.1:\(client)",
                logPath: "\(folder)/\(name).log",
                arguments: [
                    "server", "--name", name, "--data-dir", "\(folder)/\(name)",
                    "--listen-client-urls", "http://127.0.0.1:\(client)",
                    "--listen-peer-urls", "http://127.0.0.1:\(client + 1)",
                    "--listen-http-urls", "http://127.0.0.1:\(httpPort + 10 * number)",
                    "--initial-cluster", members.joined(separator: ","),
                    "--initial-cluster-token", "keelson-dev",
                ])
        }
        let endpoints = servers.map(\.endpoint).joined(separator: ",")
        agents = (0..<2).map { number in
            let name = "a\(number + 1)"
            let endpoint = "http://127.0.0.1:\(httpPort + 1 + 10 * number)"
            let ports = 31_000 + 500 * number
            return DevProcess(
                name: name, endpoint: endpoint, logPath: "\(folder)/\(name).log",
                arguments: [
                    "agent", "--endpoints", endpoints, "--work-dir", "\(folder)/\(name)",
                    "--listen-url", endpoint, "--attributes", "name:\(name)",
                    "--resources", "cpus:2;mem:1024;disk:4096;ports:[\(ports)-\(ports + 499)]",
                ])
        }
    }

    /// Runs until it is interrupted; returns the exit status.
    func run() async -> Int32 {
        let interruption = interruption
        let signals = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { interruption.flag.store(true, ordering: .relaxed) }
            source.resume()
            return source
        }
        defer { for source in signals { source.cancel() } }
        for process in processes {
            if let failure = process.start() {
                say("\(process.name) cannot be started: \(failure)")
                return 1
            }
        }
        introduce()
        await watch()
        return stop()
    }

    private func introduce() {
        let endpoints = servers.map(\.endpoint).joined(separator: ",")
        say(
            """
            Three servers and two agents start; their data and logs are in \(folder)/.
              endpoints  \(endpoints)
              HTTP APIs  http://127.0.0.1:\(httpPort) (Mesos, Marathon)
              agents     \(agents.map(\.endpoint).joined(separator: ", "))
            Try, in another terminal:
              keelson kv put greeting hello
              keelson kv get greeting --endpoints \(servers[1].endpoint)
              keelson service run web --instances 3 -- sleep 1000
              ETCDCTL_API=3 etcdctl --endpoints \(endpoints) endpoint status -w table
            Ctrl-C stops them. Tasks go on, and are found again at the next start.
            """)
    }

    private func watch() async {
        var clients: [Cluster?] = []
        for process in servers { clients.append(try? Cluster(endpoints: [process.endpoint])) }
        var last: (revision: Int64, at: ContinuousClock.Instant)?
        var failures = 0
        while await !isInterrupted(within: 10) {
            reviveDead(&failures)
            var best: MemberStatus?
            var leader: String?
            for (process, client) in zip(servers, clients) where process.isRunning {
                guard let status = try? await client?.status(timeout: .milliseconds(500)) else {
                    continue
                }
                if status.isLeader { leader = process.name }
                if status.header.revision >= best?.header.revision ?? 0 { best = status }
            }
            report(best, leader: leader, last: &last)
        }
        for client in clients { await client?.shutdown() }
    }

    /// Waits so many tenths of a second, less when the user interrupts.
    private func isInterrupted(within tenths: Int) async -> Bool {
        for _ in 0..<tenths where !interruption.flag.load(ordering: .relaxed) {
            try? await Task.sleep(for: .milliseconds(100))
        }
        return interruption.flag.load(ordering: .relaxed)
    }

    private func report(
        _ status: MemberStatus?, leader: String?,
        last: inout (revision: Int64, at: ContinuousClock.Instant)?
    ) {
        let up = processes.filter(\.isRunning).map(\.name).joined(separator: " ")
        guard let status else {
            say("up \(up)  no answer yet")
            return
        }
        let now = ContinuousClock.now
        var rate = "-"
        if let last {
            let seconds =
                Double((now - last.at).components.attoseconds) / 1e18
                + Double((now - last.at).components.seconds)
            rate = String(Int(Double(status.header.revision - last.revision) / max(seconds, 0.001)))
        }
        last = (status.header.revision, now)
        say(
            "up \(up)  leader \(leader ?? "none")  term \(status.raftTerm)"
                + "  revision \(status.header.revision)  writes/s \(rate)")
    }

    private func reviveDead(_ failures: inout Int) {
        for process in processes {
            if let end = process.noticeDeath() {
                say("\(process.name) died: \(end). It is started again in three seconds")
                if !end.contains("signal") { say(process.logTail()) }
            }
            if let died = process.diedAt, ContinuousClock.now - died >= .seconds(3) {
                failures += 1
                if failures > 100 {
                    say("\(process.name) keeps dying: it stays down. Its log is \(process.logPath)")
                } else if let failure = process.start() {
                    say("\(process.name) cannot be started: \(failure)")
                }
            }
        }
    }

    private func stop() -> Int32 {
        say("stopping")
        for process in processes { process.interrupt() }
        let deadline = ContinuousClock.now + .seconds(15)
        while processes.contains(where: \.isRunning), ContinuousClock.now < deadline {
            usleep(10_000)
        }
        let left = processes.filter(\.isRunning)
        for process in left {
            say("\(process.name) did not stop in time and is killed")
            process.kill()
        }
        say(left.isEmpty ? "all stopped" : "stopped")
        return left.isEmpty ? 0 : 1
    }

    private func say(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}

/// Set by a signal's handler, read by the loop that watches.
private final class Interruption: Sendable {
    let flag = Atomic<Bool>(false)
}
