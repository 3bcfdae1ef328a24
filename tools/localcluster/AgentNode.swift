import Foundation
import Glibc
import Synchronization

/// An agent of a ``ServerCluster``: its work directory and, while it runs, its process. Its tasks
/// are no children of it, and outlive it.
package final class AgentNode: Sendable {
    package let name: String
    package let workDirectory: String
    package let logPath: String
    package let port: Int
    private let scheme: String
    private let path: String
    private let flags: [String]
    private let process = Mutex<ChildProcess?>(nil)
    private let onStart: @Sendable (pid_t) -> Void

    init(
        name: String, scheme: String, port: Int, folder: URL, path: String, flags: [String],
        onStart: @escaping @Sendable (pid_t) -> Void
    ) {
        self.name = name
        self.scheme = scheme
        self.port = port
        self.path = path
        self.flags = flags
        self.onStart = onStart
        workDirectory = folder.appending(path: name).path
        logPath = folder.appending(path: "\(name).log").path
    }

    deinit { removeTasks() }

    package var url: String { "\(scheme)://127.0.0.1:\(port)" }
    package var current: ChildProcess? { process.withLock { $0 } }
    package var isRunning: Bool { current?.isRunning ?? false }

    package func launch() throws(LocalClusterError) {
        let words = ["agent", "--work-dir", workDirectory, "--listen-url", url] + flags
        let child = try ChildProcess(path, words, outputPath: logPath)
        onStart(child.pid)
        process.withLock { $0 = child }
    }

    /// Starts the process and waits until it says that a master has registered it.
    package func start(_ limit: Duration = .seconds(30)) throws(LocalClusterError) {
        let offset = logText.utf8.count
        try launch()
        let outcome = Patience.wait(limit) { () -> Bool? in
            if logText.utf8.dropFirst(offset).contains("registered as agent".utf8) { return true }
            return isRunning ? nil : false
        }
        if outcome == true { return }
        throw .notReady(name: name, seconds: limit.milliseconds / 1e3, log: logText)
    }

    package func killHard() { current?.killHard() }

    package var logText: String {
        (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
    }

    /// Ends what is left of its tasks: their processes carry the directory's name.
    package func removeTasks() {
        current?.killHard()
        let mark = Data("KEELSON_RUN=\(workDirectory)".utf8)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for pid in names.compactMap(Int32.init) {
            let environment = try? Data(contentsOf: URL(filePath: "/proc/\(pid)/environ"))
            if environment?.range(of: mark) != nil { Glibc.kill(pid, SIGKILL) }
        }
    }
}
