internal import Foundation
internal import LocalCluster

/// One server process of `keelson dev`.
final class DevProcess {
    let name: String
    let clientPort: Int
    let logPath: String
    private let arguments: [String]
    private var child: ChildProcess?
    private(set) var diedAt: ContinuousClock.Instant?

    init(name: String, clientPort: Int, logPath: String, arguments: [String]) {
        self.name = name
        self.clientPort = clientPort
        self.logPath = logPath
        self.arguments = arguments
    }

    var endpoint: String { "http://127.0.0.1:\(clientPort)" }
    var isRunning: Bool { child?.isRunning ?? false }
    var pid: Int32? { isRunning ? child?.pid : nil }

    /// Nil, or why it could not be started.
    func start() -> String? {
        let program = Bundle.main.executablePath ?? CommandLine.arguments[0]
        do {
            child = try ChildProcess(program, arguments, outputPath: logPath)
            diedAt = nil
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// The exit text the first time that the process is found dead.
    func noticeDeath() -> String? {
        guard let child, diedAt == nil, let status = child.exitStatus else { return nil }
        diedAt = .now
        return "\(status)"
    }

    func logTail() -> String { child?.outputTail(lines: 5) ?? "" }

    func interrupt() { child?.send(signal: SIGTERM) }

    func kill() { child?.killHard() }
}
