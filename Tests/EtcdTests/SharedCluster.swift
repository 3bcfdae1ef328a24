import LocalCluster
import Testing

/// The three servers that the client suites share: started once, gone with the process.
///
/// Each test keeps to keys of its own.
enum SharedCluster {
    private static let started: Result<ServerCluster, LocalClusterError> = start()

    private static func start() -> Result<ServerCluster, LocalClusterError> {
        do throws(LocalClusterError) {
            let cluster = try ServerCluster("clients", try ServerProgram.underTest())
            try cluster.start()
            return .success(cluster)
        } catch {
            return .failure(error)
        }
    }

    static var current: ServerCluster {
        get throws { try started.get() }
    }

    /// Positions of the nodes, for parameterised tests.
    static let nodes = [0, 1, 2]
}
