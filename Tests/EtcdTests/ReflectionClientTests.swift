import LocalCluster
import Testing

@Suite(
    "gRPC server reflection with PyPI's grpcio-reflection", .serialized,
    .enabled(if: BadStartTests.isKeelson, "etcd 3.5 has none"))
struct ReflectionClientTests {
    @Test("a client that knows nothing finds every service, and calls one")
    func everything() throws {
        let script = ServerProgram.scriptPath("checks/reflection.py")
        let endpoint = try SharedCluster.current.nodes[0].endpoint
        let text = try Command.runSuccessfully(
            try ServerProgram.python(), [script, endpoint], limit: .seconds(60))
        let passed = text.split(separator: "\n").filter { $0.hasPrefix("ok ") }
        #expect(passed.count == 5, "\(text)")
    }
}
