internal import LocalCluster
internal import NIOCore
internal import NIOPosix
internal import RPC

/// All writers on one event loop. Confined to it but for the members that say otherwise, hence
/// `@unchecked Sendable`.
final class Workload: @unchecked Sendable {
    let loop: any EventLoop
    let nodes: [ServerNode]
    let callTimeout: TimeAmount = .seconds(1)
    let pause: TimeAmount
    /// Whether an error's text tells a definite refusal from an open outcome (Keelson's does).
    let hasDefiniteTexts: Bool
    var ledger: Ledger
    private var writers: [Writer] = []

    init(
        loop: any EventLoop, nodes: [ServerNode], writerCount: Int, valueBytes: Int = 0,
        pauseMilliseconds: Int, hasDefiniteTexts: Bool
    ) {
        self.loop = loop
        self.hasDefiniteTexts = hasDefiniteTexts
        self.nodes = nodes
        pause = .milliseconds(Int64(pauseMilliseconds))
        ledger = Ledger(writerCount: writerCount, valueBytes: valueBytes)
        writers = (0..<writerCount).map { Writer(number: $0, workload: self) }
    }

    /// From any thread but the loop.
    func start() throws { try onLoop { for writer in $0.writers { writer.start() } } }

    /// Stops the writers and waits until nothing is outstanding. From any thread but the loop.
    func stop() throws {
        try onLoop { for writer in $0.writers { writer.stop() } }
        _ = try waitUntil(.seconds(20)) { $0.writers.allSatisfy { $0.isIdle } }
    }

    /// How many writes were acknowledged so far. From any thread but the loop.
    func acknowledgedCount() throws -> Int { try onLoop { $0.ledger.acknowledgements.count } }

    /// The ledger as it is now. From any thread but the loop.
    func currentLedger() throws -> Ledger { try onLoop { $0.ledger } }

    func onLoop<T: Sendable>(_ body: @escaping @Sendable (Workload) throws -> T) throws -> T {
        try loop.submit { try body(self) }.wait()
    }

    /// From any thread but the loop; false when it does not come true within `limit`.
    func waitUntil(
        _ limit: Duration, _ isTrue: @escaping @Sendable (Workload) -> Bool
    ) throws -> Bool {
        try Patience.wait(limit, pauseMilliseconds: 5) { try onLoop(isTrue) ? true : nil } ?? false
    }
}
