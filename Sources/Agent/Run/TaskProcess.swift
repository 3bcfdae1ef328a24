internal import AgentLogic
internal import Glibc
internal import Subprocess
internal import Synchronization
internal import SystemPackage

/// The task's process, started and waited for beside the supervisor's loop, which is woken by a
/// byte in a pipe.
final class TaskProcess: Sendable {
    enum Event: Sendable {
        case started(pid: Int32)
        case ended(ProcessOutcome)
    }

    private let events = Mutex<[Event]>([])
    private let wake: Int32

    /// - Parameter wake: the pipe's writing end; stays the caller's.
    init(wake: Int32) { self.wake = wake }

    /// Starts the launcher in a session of its own. Closes both descriptors.
    func start(files: String, output: Int32, error: Int32) {
        var options = PlatformOptions()
        options.createSession = true
        let configuration = Configuration(
            executable: .path("/proc/self/exe"),
            arguments: [AgentSupervisor.subcommand, AgentSupervisor.launchWord, files],
            platformOptions: options)
        Task.detached { [self] in
            do {
                let result = try await Subprocess.run(
                    configuration, input: .none,
                    output: .fileDescriptor(
                        FileDescriptor(rawValue: output), closeAfterSpawningProcess: true),
                    error: .fileDescriptor(
                        FileDescriptor(rawValue: error), closeAfterSpawningProcess: true)
                ) { execution in
                    self.tell(.started(pid: execution.processIdentifier.value))
                }
                switch result.terminationStatus {
                case .exited(let code): tell(.ended(.exited(code: code)))
                case .signaled(let number): tell(.ended(.signaled(number)))
                }
            } catch {
                tell(.ended(.notStarted("the launcher could not be started: \(error)")))
            }
        }
    }

    private func tell(_ event: Event) {
        events.withLock { $0.append(event) }
        var byte: UInt8 = 1
        _ = write(wake, &byte, 1)
    }

    func take() -> [Event] {
        events.withLock { list in
            defer { list = [] }
            return list
        }
    }
}
