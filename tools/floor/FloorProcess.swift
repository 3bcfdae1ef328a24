internal import Foundation
internal import Glibc
internal import LocalCluster

/// The three processes, and how they and the one that started them know of each other.
///
/// A process says its port on its standard output. Its standard input ends when the one that
/// started it does: then it ends too, however that one came to its end.
enum FloorProcess {
    private static let portPrefix = "port "

    /// Says where the process serves, and returns when nobody needs it any more.
    static func serve(port: Int) {
        say("\(portPrefix)\(port)\n")
        var byte: UInt8 = 0
        while true {
            let count = read(STDIN_FILENO, &byte, 1)
            if count == 0 || (count < 0 && errno != EINTR) { return }
        }
    }

    /// At once, whatever standard output is.
    static func say(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    /// Ends the process: what it was asked to do it cannot do any more.
    static func fail(_ reason: String) -> Never {
        FileHandle.standardError.write(Data("keelson-floor: \(reason)\n".utf8))
        exit(74)
    }

    /// The port that a process said, once it has said all of it.
    static func port(in output: String) -> Int? {
        guard let start = output.range(of: portPrefix),
            let end = output[start.upperBound...].firstIndex(of: "\n")
        else { return nil }
        return Int(output[start.upperBound..<end])
    }
}

/// A leader and two followers, each a process of its own.
final class FloorCluster {
    let port: Int
    private let processes: [ChildProcess]
    /// Ends the processes' standard input when it is closed.
    private let lifeline: Int32

    /// How long a process may take to write its file.
    private static let startLimit = Duration.seconds(120)

    init(folder: String) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw FloorError(description: "there is no pipe left: errno \(errno)")
        }
        // No process may hold the end that is written to, or the others would outlive this one.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        lifeline = ends[1]
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        func start(_ name: String, _ arguments: [String]) throws -> ChildProcess {
            let place = "\(folder)/\(name)"
            try FileManager.default.createDirectory(
                atPath: place, withIntermediateDirectories: true)
            return try ChildProcess(
                program, arguments + ["--data-dir", place], outputPath: place + ".log",
                inputDescriptor: ends[0])
        }
        let followers = try ["follower1", "follower2"].map {
            try start($0, ["--role", "follower"])
        }
        let ports = try followers.map { try Self.waitForPort(of: $0) }
        let leader = try start(
            "leader", ["--role", "leader"] + ports.flatMap { ["--follower", "\($0)"] })
        processes = [leader] + followers
        port = try Self.waitForPort(of: leader)
    }

    private static func waitForPort(of process: ChildProcess) throws -> Int {
        let port = try Patience.wait(startLimit) { () throws -> Int? in
            if let port = FloorProcess.port(in: process.output) { return port }
            try check(process)
            return nil
        }
        guard let port else {
            throw FloorError(
                description: "'\(process.command)' did not begin to serve within \(startLimit)")
        }
        return port
    }

    private static func check(_ process: ChildProcess) throws {
        guard let status = process.exitStatus else { return }
        throw FloorError(
            description: "'\(process.command)' ended with \(status): \(process.outputTail())")
    }

    func checkAlive() throws { for process in processes { try Self.check(process) } }

    func stop() {
        close(lifeline)
        for process in processes where process.waitForExit(.seconds(5)) == nil {
            process.killHard()
        }
    }
}
