import Foundation
import Glibc

/// A file system in memory with a size of its own (tmpfs), for the data of one server: it can be
/// filled without harm to anybody else.
///
/// Root mounts it. Anybody else has it in namespaces of users and mounts of its own, which
/// ``launcher`` starts a server in (unshare(1), nsenter(1)).
package final class RamDisk: Sendable {
    /// Where the server finds it.
    package let path: String
    private let holder: ChildProcess?

    private static let fillerName = "filler"

    /// - Parameter bytes: how much it holds.
    package init(_ name: String, bytes: Int) throws(LocalClusterError) {
        let folder = ServerProgram.repositoryRoot.appending(path: ".build/disks/\(name)")
        path = folder.path
        let options = "size=\(bytes),mode=700"
        if geteuid() == 0 {
            holder = nil
            // What a run that was killed left behind.
            while (try? Command.run("umount", ["-l", path]))?.status == .exited(0) {}
            Self.makeEmpty(folder)
            _ = try Command.runSuccessfully(
                "mount", ["-t", "tmpfs", "-o", options, "keelson", path])
        } else {
            Self.makeEmpty(folder)
            let script = #"mount -t tmpfs -o "$1" keelson "$2" && echo mounted && exec sleep 3600"#
            let child = try Command.start(
                "unshare", ["-Urm", "sh", "-c", script, "holder", options, path])
            holder = child
            guard child.waitForOutput("mounted", .seconds(10)) else {
                throw .failed(
                    command: child.command, status: child.exitStatus ?? .exited(-1),
                    output: child.output)
            }
        }
    }

    deinit {
        if let holder {
            holder.killHard()
            unlink(holder.outputPath)
        } else {
            _ = try? Command.run("umount", ["-l", path])
        }
        rmdir(path)
    }

    private static func makeEmpty(_ folder: URL) {
        try? FileManager.default.removeItem(at: folder)
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// What starts a program that sees the disk.
    package var launcher: [String] {
        guard let holder else { return [] }
        return ["nsenter", "-t", "\(holder.pid)", "-U", "-m", "--preserve-credentials"]
    }

    /// Where this process finds it.
    private var pathFromHere: String { holder.map { "/proc/\($0.pid)/root" + path } ?? path }

    package func resize(_ bytes: Int) throws(LocalClusterError) {
        let words = launcher + ["mount", "-o", "remount,size=\(bytes)", path]
        _ = try Command.runSuccessfully(words[0], Array(words.dropFirst()))
    }

    /// Takes all room that is left. Returns how much that was, in bytes.
    @discardableResult
    package func fill() -> Int {
        let file = open(
            pathFromHere + "/" + Self.fillerName, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var filled = 0
        for size in [1 << 20, 4096] {
            let bytes = [UInt8](repeating: 1, count: size)
            while true {
                let written = write(file, bytes, size)
                if written <= 0 { break }
                filled += written
            }
        }
        return filled
    }

    /// Gives back what ``fill()`` took.
    package func empty() { unlink(pathFromHere + "/" + Self.fillerName) }
}
