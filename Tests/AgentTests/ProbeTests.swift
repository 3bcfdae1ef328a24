import Agent
import AgentLogic
import Foundation
import Glibc
import Testing

@Suite("Probes and limits with real processes", .serialized)
struct ProbeTests {
    /// A server on this machine that accepts and, where it is given one, sends an answer.
    private final class Server: Sendable {
        let port: UInt16
        private let listener: Int32

        init(answer: String?) throws {
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            self.listener = listener
            // A sockaddr_in, byte by byte: its fields belong to whichever module was loaded first.
            var address = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_in>.size)
            address.withUnsafeMutableBytes {
                $0.storeBytes(of: sa_family_t(AF_INET), as: sa_family_t.self)
            }
            address.replaceSubrange(4..<8, with: [127, 0, 0, 1])
            var length = socklen_t(address.count)
            let bound = address.withUnsafeMutableBytes { bytes in
                let raw = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
                guard bind(listener, raw, length) == 0, listen(listener, 16) == 0 else {
                    return false
                }
                return getsockname(listener, raw, &length) == 0
            }
            try #require(bound)
            port = UInt16(address[2]) << 8 | UInt16(address[3])
            guard let answer else { return }
            Thread.detachNewThread {
                while true {
                    let client = accept(listener, nil, nil)
                    if client < 0 { return }
                    var request = [UInt8](repeating: 0, count: 4096)
                    _ = read(client, &request, request.count)
                    _ = answer.withCString { write(client, $0, strlen($0)) }
                    close(client)
                }
            }
        }

        deinit {
            shutdown(listener, Int32(SHUT_RDWR))
            close(listener)
        }
    }

    private func probe(_ probe: Probe, millis: UInt64 = 5000) async throws -> CheckResult {
        await ProbeRunner.run(
            probe, try task("t"), sandbox: "/tmp", timeoutMillis: millis)
    }

    @Test("HTTP says the status that came, or nothing")
    func http() async throws {
        let good = try Server(answer: "HTTP/1.1 204 No Content\r\n\r\n")
        #expect(try await probe(.http(port: good.port, path: "/health")) == .httpStatus(204))
        let bad = try Server(answer: "HTTP/1.0 503\r\n\r\n")
        #expect(try await probe(.http(port: bad.port, path: "/")) == .httpStatus(503))
        let other = try Server(answer: "SSH-2.0-x\r\n")
        #expect(try await probe(.http(port: other.port, path: "/")) == .nothing)
        let silent = try Server(answer: nil)
        let before = MachineClock.steadyMillis
        #expect(try await probe(.http(port: silent.port, path: "/"), millis: 100) == .nothing)
        #expect(MachineClock.steadyMillis - before < 4000)
    }

    @Test("a status line is one, or it is not")
    func statusLines() {
        #expect(ProbeRunner.status(of: Array("HTTP/1.1 200 OK\r\n".utf8)) == 200)
        #expect(ProbeRunner.status(of: Array("HTTP/1.1 404\r\n".utf8)) == 404)
        for text in ["", "HTTP/1.1 20", "HTTP/1.1 2000 x", "HTTP/1.1 2x0 OK", "HTTP/2 200 OK.."] {
            #expect(ProbeRunner.status(of: Array(text.utf8)) == nil, "\(text)")
        }
    }

    @Test("TCP says whether a connection was accepted")
    func tcp() async throws {
        let port: UInt16
        do {
            let server = try Server(answer: nil)
            port = server.port
            #expect(try await probe(.tcp(port: port)) == .tcp(accepted: true))
        }
        #expect(try await probe(.tcp(port: port)) == .tcp(accepted: false))
    }

    @Test("a command says its exit code; one that hangs is ended with all it started")
    func commands() async throws {
        #expect(try await probe(.command(.shell("exit 3"))) == .exitCode(3))
        #expect(
            try await probe(.command(.program("true", arguments: []))) == .exitCode(0))
        #expect(try await probe(.command(.program("/no/such", arguments: []))) == .nothing)
        let folder = try TemporaryFolder()
        let script = "sleep 1000 & echo $! > \(folder.path)/pid; wait"
        let before = MachineClock.steadyMillis
        #expect(try await probe(.command(.shell(script)), millis: 300) == .nothing)
        #expect(MachineClock.steadyMillis - before < 5000)
        let text = try String(contentsOfFile: folder.path + "/pid", encoding: .utf8)
        let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(eventually { !isAlive(pid) })
    }

    @Test("a task that fails its health check is killed for it, and says so")
    func unhealthyTask() throws {
        let folder = try TemporaryFolder()
        let site = try AgentSite(folder.path)
        var spec = try shell("ill", "touch ok; sleep 0.5; rm ok; sleep 1000")
        var check = HealthCheck(.command(.shell("test -e ok")))
        check.timing.delay = 0
        check.timing.interval = 100
        check.consecutiveFailures = 2
        check.gracePeriod = 60_000
        spec.healthCheck = check
        site.launch(spec)
        let update = try site.wait(spec, for: .killed)
        #expect(update.reason == .killedByHealthCheck)
        let words = site.statuses(spec).filter { $0.reason == .healthChanged }
        #expect(words.map { $0.isHealthy } == [true, false])
        site.stop()
    }

    // MARK: Limits

    @Test("without control groups it is said why, and there is nothing to plan")
    func noCgroups() throws {
        let report = IsolationReport.detect(root: "/nowhere", name: "keelson-test")
        for support in [report.memory, report.cpu, report.processes] {
            guard case .none(let why) = support else {
                Issue.record("\(support)")
                continue
            }
            #expect(why.contains("/nowhere"))
        }
        var resources = TaskResources()
        resources.memoryBytes = 1 << 20
        #expect(report.plans(resources, ContainerID(sequence: 1, index: 0)).isEmpty)
    }

    @Test("resources become settings of either version")
    func settings() {
        var resources = TaskResources()
        resources.memoryBytes = 1 << 20
        resources.cpuMillis = 1500
        resources.isCPULimited = true
        resources.processesMax = 7
        let container = ContainerID(sequence: 1, index: 0)
        let two = IsolationReport(
            memory: .unified("/g"), cpu: .unified("/g"), processes: .unified("/g"))
        let plans = two.plans(resources, container)
        #expect(plans.map { $0.path } == ["/g/1-0"])
        #expect(
            plans[0].settings.map { "\($0.file)=\($0.value)" } == [
                "memory.max=1048576", "memory.swap.max=0", "cpu.weight=59",
                "cpu.max=150000 100000", "pids.max=7",
            ])
        let one = IsolationReport(
            memory: .legacy("/m"), cpu: .legacy("/c"), processes: .none(why: ""))
        #expect(one.plans(resources, container).map { $0.path } == ["/m/1-0", "/c/1-0"])
        #expect(
            one.plans(resources, container).flatMap { $0.settings }.map { "\($0.file)=\($0.value)" }
                == [
                    "memory.limit_in_bytes=1048576", "memory.memsw.limit_in_bytes=1048576",
                    "cpu.shares=1536", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000",
                ])
    }

    @Test("a task that takes more memory than it may is ended, and that is the reason")
    func outOfMemory() throws {
        let name = "keelson-test-\(getpid())"
        let report = IsolationReport.detect(name: name)
        defer {
            for support in [report.memory, report.cpu, report.processes] {
                switch support {
                case .unified(let path), .legacy(let path): rmdir(path)
                case .none: break
                }
            }
        }
        let folder = try TemporaryFolder()
        let site = try AgentSite(folder.path) { $0.isolation = report }
        if case .none(let why) = report.memory {
            // Nobody else is kept from running: the agent says why, and the task has no limit.
            #expect(!why.isEmpty)
            var spec = try shell("unlimited", "echo ran")
            spec.resources.memoryBytes = 64 << 20
            let container = site.launch(spec)
            _ = try site.wait(spec, for: .finished)
            #expect(try site.output(container) == "ran\n")
            site.stop()
            return
        }
        var spec = try shell("hungry", "exec python3 -c 'x = bytearray(300 << 20); print(len(x))'")
        spec.resources.memoryBytes = 64 << 20
        site.launch(spec)
        #expect(try site.wait(spec, for: .failed).reason == .outOfMemory)
        var small = try shell("small", "cat /proc/self/cgroup")
        small.resources.memoryBytes = 64 << 20
        let container = site.launch(small)
        _ = try site.wait(small, for: .finished)
        #expect(try site.output(container).contains("\(name)/\(container)"))
        site.stop()
    }
}
