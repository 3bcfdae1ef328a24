internal import Foundation
internal import LocalCluster

/// One process of `keelson dev`.
final class DevProcess {
    let name: String
    /// Where it serves.
    let endpoint: String
    let logPath: String
    private let arguments: [String]
    private var child: ChildProcess?
    private(set) var diedAt: ContinuousClock.Instant?

    init(name: String, endpoint: String, logPath: String, arguments: [String]) {
        self.name = name
        self.endpoint = endpoint
        self.logPath = logPath
        self.arguments = arguments
    }

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
