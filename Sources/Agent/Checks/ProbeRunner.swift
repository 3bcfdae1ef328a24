package import AgentLogic
internal import Dispatch
internal import Glibc
internal import Subprocess
internal import Synchronization
internal import SystemPackage

/// Makes one probe.
package enum ProbeRunner {
    /// Probes wait in system calls, so they have threads of their own.
    private static let queue = DispatchQueue(
        label: "keelson.agent.probes", attributes: .concurrent)

    /// ``CheckResult/nothing`` when there is no answer in time.
    package static func run(
        _ probe: Probe, _ task: TaskSpec, sandbox: String, timeoutMillis: UInt64
    ) async -> CheckResult {
        let deadline = MachineClock.steadyMillis.addingCapped(timeoutMillis)
        switch probe {
        case .tcp(let port):
            return await onThread { tcp(port, deadline) }
        case .http(let port, let path):
            return await onThread { http(port, path, deadline) }
        case .command(let command):
            return await self.command(command, task, sandbox, timeoutMillis)
        }
    }

    private static func onThread(_ body: @escaping @Sendable () -> CheckResult) async -> CheckResult
    {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }

    private static func tcp(_ port: UInt16, _ deadline: UInt64) -> CheckResult {
        guard let socket = connect(port, deadline) else { return .tcp(accepted: false) }
        close(socket)
        return .tcp(accepted: true)
    }

    private static func http(_ port: UInt16, _ path: String, _ deadline: UInt64) -> CheckResult {
        guard let socket = connect(port, deadline) else { return .nothing }
        defer { close(socket) }
        let request =
            "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nUser-Agent: keelson-agent\r\n"
            + "Accept: */*\r\nConnection: close\r\n\r\n"
        var left = Array(request.utf8)[...]
        while !left.isEmpty {
            let sent = left.withUnsafeBytes {
                send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                left = left.dropFirst(sent)
            } else if !(sent < 0 && (errno == EAGAIN || errno == EINTR))
                || !wait(socket, POLLOUT, deadline)
            {
                return .nothing
            }
        }
        var head: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        while head.count < 512 {
            let count = buffer.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) }
            if count > 0 {
                head.append(contentsOf: buffer[0..<count])
                if let status = status(of: head) { return .httpStatus(status) }
            } else if count == 0 || !(errno == EAGAIN || errno == EINTR)
                || !wait(socket, POLLIN, deadline)
            {
                return .nothing
            }
        }
        return .nothing
    }

    /// The number in `HTTP/1.x NNN`, once it is there; nil for what is no such line.
    package static func status(of head: [UInt8]) -> UInt16? {
        guard head.count >= 13, head.starts(with: "HTTP/1.".utf8), head[8] == 0x20 else {
            return nil
        }
        let digits = head[9..<12]
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }),
            head[12] == 0x20 || head[12] == 0x0D || head[12] == 0x0A
        else { return nil }
        return UInt16(String(decoding: digits, as: UTF8.self))
    }

    /// A connection to this machine that does not block.
    private static func connect(_ port: UInt16, _ deadline: UInt64) -> Int32? {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let socket = Glibc.socket(AF_INET, type | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, length)
            }
        }
        if result == 0 { return socket }
        if errno == EINPROGRESS, wait(socket, POLLOUT, deadline) {
            var number: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            if getsockopt(socket, SOL_SOCKET, SO_ERROR, &number, &size) == 0, number == 0 {
                return socket
            }
        }
        close(socket)
        return nil
    }

    /// False when the deadline came first.
    private static func wait(_ socket: Int32, _ events: Int32, _ deadline: UInt64) -> Bool {
        while true {
            let now = MachineClock.steadyMillis
            guard now < deadline else { return false }
            var entry = pollfd(fd: socket, events: Int16(events), revents: 0)
            let ready = poll(&entry, 1, Int32(min(deadline - now, 60_000)))
            if ready > 0 { return true }
            if ready < 0, errno != EINTR { return false }
        }
    }

    // MARK: Commands

    private static func command(
        _ command: TaskCommand, _ task: TaskSpec, _ sandbox: String, _ timeoutMillis: UInt64
    ) async -> CheckResult {
        let (path, arguments) = TaskLauncher.commandLine(command)
        var options = PlatformOptions()
        options.createSession = true
        if let user = task.user {
            guard let account = Account.find(user) else { return .nothing }
            if account.user != geteuid() {
                options.userID = account.user
                options.groupID = account.group
                options.supplementaryGroups = [account.group]
            }
        }
        var environment: [Environment.Key: String?] = [:]
        for variable in task.environment {
            if let key = Environment.Key(rawValue: variable.name) {
                environment[key] = variable.value
            }
        }
        let configuration = Configuration(
            executable: path.contains("/") ? .path(FilePath(path)) : .name(path),
            arguments: Arguments(
                executablePathOverride: arguments[0],
                remainingValues: Array(arguments.dropFirst())),
            environment: .inherit.updating(environment), workingDirectory: FilePath(sandbox),
            platformOptions: options)
        return await run(configuration, timeoutMillis)
    }

    private static func run(
        _ configuration: Configuration, _ timeoutMillis: UInt64
    ) async -> CheckResult {
        let session = ProbeSession()
        return await withTaskGroup(of: CheckResult?.self) { group in
            group.addTask {
                let result = try? await Subprocess.run(
                    configuration, input: .none, output: .discarded, error: .discarded
                ) { execution in
                    session.pid.store(
                        execution.processIdentifier.value, ordering: .sequentiallyConsistent)
                }
                let pid = session.pid.exchange(-1, ordering: .sequentiallyConsistent)
                if pid > 0 { kill(-pid, SIGKILL) }
                guard case .exited(let code) = result?.terminationStatus,
                    !session.isLate.load(ordering: .sequentiallyConsistent)
                else { return .nothing }
                return .exitCode(code)
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(Int64(timeoutMillis)))
                if Task.isCancelled { return nil }
                session.isLate.store(true, ordering: .sequentiallyConsistent)
                let pid = session.pid.load(ordering: .sequentiallyConsistent)
                if pid > 0 { kill(-pid, SIGKILL) }
                return nil
            }
            var result = CheckResult.nothing
            for await part in group {
                if let part {
                    result = part
                    group.cancelAll()
                }
            }
            return result
        }
    }
}

/// A command that is asked for its exit code.
private final class ProbeSession: Sendable {
    /// 0: not started; -1: over, and its pid may be another's.
    let pid = Atomic<Int32>(0)
    let isLate = Atomic<Bool>(false)
}
