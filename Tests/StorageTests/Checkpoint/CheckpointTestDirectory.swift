import Glibc
import Storage

/// A directory of the operating system that goes with the last reference to it.
final class CheckpointTestDirectory {
    let path: String
    private let fileSystem = PosixFileSystem()

    init() {
        var template = Array("/tmp/keelson-test-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { try? Self.removeTree(path, fileSystem) }

    private static func removeTree(_ path: String, _ fileSystem: PosixFileSystem) throws {
        for name in try fileSystem.list(path) {
            let inner = "\(path)/\(name)"
            if case .directory = try fileSystem.kind(of: inner) {
                try removeTree(inner, fileSystem)
            } else {
                try fileSystem.remove(inner)
            }
        }
        rmdir(path)
    }
}
