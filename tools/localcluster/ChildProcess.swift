import Foundation
package import Glibc
import Synchronization

/// A process that this one started, with its output in a file: nothing that it prints can block it.
package final class ChildProcess: Sendable {
    package let command: String
    package let pid: pid_t
    package let outputPath: String
    private let status = Mutex<ExitStatus?>(nil)

    /// - Parameters:
    ///   - arguments: without the program's own name.
    ///   - environment: replaces the environment; nil hands on our own.
    ///   - outputPath: standard output and error are appended there.
    ///   - inputDescriptor: becomes standard input; nil means that there is none.
    package init(
        _ path: String, _ arguments: [String], environment: [String: String]? = nil,
        outputPath: String, inputDescriptor: Int32? = nil
    ) throws(LocalClusterError) {
        command = ([path] + arguments).joined(separator: " ")
        self.outputPath = outputPath

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let inputDescriptor {
            posix_spawn_file_actions_adddup2(&actions, inputDescriptor, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 1, outputPath, flags, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: an interrupt at the terminal reaches it through us or not at all.
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // Threads of a pool block signals, and a shell's background jobs ignore interrupts: what
        // they start would inherit that.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)

        let surroundings = environment ?? ProcessInfo.processInfo.environment
        var words = ([path] + arguments).map { strdup($0) }
        words.append(nil)
        var settings = surroundings.sorted { $0.key < $1.key }.map {
            strdup("\($0.key)=\($0.value)")
        }
        settings.append(nil)
        defer {
            words.forEach { free($0) }
            settings.forEach { free($0) }
        }
        var child: pid_t = 0
        let code = posix_spawnp(&child, path, &actions, &attributes, words, settings)
        guard code == 0 else { throw .cannotSpawn(path: path, code: code) }
        pid = child
    }

    package var isRunning: Bool { exitStatus == nil }

    /// How it ended, or nil while it runs. Never blocks.
    package var exitStatus: ExitStatus? {
        status.withLock { known in
            if known == nil {
                var raw: Int32 = 0
                if waitpid(pid, &raw, WNOHANG) == pid { known = ExitStatus(raw: raw) }
            }
            return known
        }
    }

    package func send(signal: Int32) {
        status.withLock { known in
            // Not reaped yet, so the number is still this process's own.
            if known == nil { _ = Glibc.kill(pid, signal) }
        }
    }

    /// How it ended, or nil when it still runs after `limit`.
    package func waitForExit(_ limit: Duration) -> ExitStatus? {
        Patience.wait(limit) { exitStatus }
    }

    /// Ends it without giving it a word, and waits for its end.
    package func killHard() {
        send(signal: SIGKILL)
        _ = waitForExit(.seconds(10))
    }

    package var output: String { output(from: 0) }

    /// What it printed, from a position in bytes.
    package func output(from offset: UInt64) -> String {
        guard let handle = FileHandle(forReadingAtPath: outputPath) else { return "" }
        defer { try? handle.close() }
        try? handle.seek(toOffset: offset)
        return String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
    }

    /// The end of what it printed, for messages.
    package func outputTail(lines: Int = 40) -> String {
        output.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }

    /// Waits until its output contains `text`; false when it does not within `limit`.
    package func waitForOutput(_ text: String, from offset: UInt64 = 0, _ limit: Duration) -> Bool {
        Patience.wait(limit, pauseMilliseconds: 3) {
            output(from: offset).contains(text) ? true : nil
        } ?? false
    }

    deinit { if exitStatus == nil { _ = Glibc.kill(pid, SIGKILL) } }
}

/// Runs a command to its end.
package enum Command {
    package struct Output: Sendable {
        package var status: ExitStatus
        package var text: String
    }

    /// - Throws: ``LocalClusterError/timedOut(command:seconds:output:)``; the command is killed
    ///   then.
    package static func run(
        _ path: String, _ arguments: [String], environment: [String: String] = [:],
        input: String? = nil, limit: Duration = .seconds(30)
    ) throws(LocalClusterError) -> Output {
        let child = try start(path, arguments, environment: environment, input: input)
        defer { unlink(child.outputPath) }
        guard let status = child.waitForExit(limit) else {
            child.killHard()
            throw .timedOut(
                command: child.command, seconds: limit.milliseconds / 1e3,
                output: child.outputTail())
        }
        return Output(status: status, text: child.output)
    }

    /// Like ``run(_:_:environment:input:limit:)``, but anything other than exit status 0 is thrown.
    package static func runSuccessfully(
        _ path: String, _ arguments: [String], environment: [String: String] = [:],
        input: String? = nil, limit: Duration = .seconds(30)
    ) throws(LocalClusterError) -> String {
        let output = try run(
            path, arguments, environment: environment, input: input, limit: limit)
        guard output.status == .exited(0) else {
            throw .failed(
                command: ([path] + arguments).joined(separator: " "), status: output.status,
                output: output.text)
        }
        return output.text
    }

    /// Starts a command whose output is to be watched. `environment` adds to our own; `input` is
    /// what it reads from its standard input.
    package static func start(
        _ path: String, _ arguments: [String], environment: [String: String] = [:],
        input: String? = nil
    ) throws(LocalClusterError) -> ChildProcess {
        let all = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let stem = "keelson-command-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let base = FileManager.default.temporaryDirectory.appending(path: stem).path
        var descriptor: Int32?
        if let input {
            let inputPath = base + ".in"
            _ = FileManager.default.createFile(atPath: inputPath, contents: Data(input.utf8))
            descriptor = open(inputPath, O_RDONLY | O_CLOEXEC)
            unlink(inputPath)
        }
        defer { if let descriptor { close(descriptor) } }
        return try ChildProcess(
            path, arguments, environment: all, outputPath: base + ".log",
            inputDescriptor: descriptor)
    }
}
