internal import Foundation
internal import Glibc
internal import LocalCluster

/// The servers' wall clocks, each of which can be stepped by itself: a library that stands before
/// the C library's clock looks up in a file by how much.
final class WallClocks: Sendable {
    private let paths: [String]

    /// Where the build puts the library, beside this program.
    private static var library: String {
        URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appending(path: "libWallClock.so").path
    }

    static var areThere: Bool { FileManager.default.fileExists(atPath: library) }

    /// - Parameter folder: of the cluster; ``reset()`` once it is there, and before the servers
    ///   start.
    init(folder: URL, count: Int) {
        paths = (0..<count).map { folder.appending(path: "wall-clock-\($0 + 1)").path }
    }

    /// The servers have to be started like this.
    func put(into sites: inout [ServerSite]) {
        for node in sites.indices {
            sites[node].launcher += [
                "env", "LD_PRELOAD=\(Self.library)", "KEELSON_WALL_CLOCK=\(paths[node])",
            ]
        }
    }

    func reset() throws { for node in paths.indices { try set(node, seconds: 0) } }

    /// From now on the server's wall clock is so far from the true one.
    func set(_ node: Int, seconds: Int64) throws {
        let file = open(paths[node], O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw LocalClusterError.cannotSpawn(path: paths[node], code: errno) }
        defer { close(file) }
        var value = seconds.littleEndian
        guard pwrite(file, &value, 8, 0) == 8 else {
            throw LocalClusterError.cannotSpawn(path: paths[node], code: errno)
        }
    }
}
