import KeelsonClient
import Synchronization

/// Clients that write without a pause until they are told to stop. What fails is of no interest:
/// the watch says what happened.
final class ArchiveLoad: Sendable {
    private let cluster: Cluster
    private let keyCount: Int
    private let isOver = Mutex(false)

    private static let writers = 3
    /// Shorter than the trial, so that leases end in it, and longer than a restored server takes to
    /// be asked.
    private static let leaseSeconds: Int64 = 20
    private static let fillBatch = 100

    init(_ endpoints: [String], keyCount: Int) throws {
        cluster = try Cluster(endpoints: endpoints)
        self.keyCount = keyCount
    }

    func stop() { isOver.withLock { $0 = true } }

    /// Every key, once.
    func fill() async throws {
        for start in stride(from: 0, to: keyCount, by: Self.fillBatch) {
            let operations = (start..<min(keyCount, start + Self.fillBatch)).map { number in
                Transaction.Operation.put(Self.key(number), Self.value(number, number))
            }
            _ = try await cluster.commit(Transaction(then: operations))
        }
    }

    /// Ends after ``stop()``.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<Self.writers { group.addTask { await self.write(writer) } }
        }
        await cluster.shutdown()
    }

    private func write(_ writer: Int) async {
        var lease: Int64 = 0
        var round = 0
        while !isOver.withLock({ $0 }) {
            round += 1
            // Coprime to the count of keys, so that each comes up.
            let number = (round * 7919 + writer * 104_729) % keyCount
            do {
                switch round % 16 {
                case 0:
                    try await cluster.delete(.key(Self.key(number)))
                case 1:
                    _ = try await cluster.commit(
                        Transaction(then: [
                            .put(Self.key(number), Self.value(round, number)),
                            .put(Array("counter/\(writer)".utf8), Array("\(round)".utf8)),
                            .delete(.key(Self.key((number + 1) % keyCount))),
                        ]))
                case 2 where round % 512 == 2:
                    lease = try await cluster.grantLease(timeToLiveSeconds: Self.leaseSeconds).id
                case 3 where lease != 0:
                    var options = PutOptions()
                    options.lease = lease
                    try await cluster.put(
                        Array("leased/\(writer)/\(round % 200)".utf8), Self.value(round, number),
                        options)
                default:
                    try await cluster.put(Self.key(number), Self.value(round, number))
                }
            } catch {
                // Its lease may have ended, or a member died: the next round goes on.
                if round % 16 == 3 { lease = 0 }
            }
        }
    }

    private static func key(_ number: Int) -> [UInt8] { Array("load/\(number)".utf8) }

    private static func value(_ round: Int, _ number: Int) -> [UInt8] {
        Array("\(round) ".utf8) + [UInt8](repeating: UInt8(97 + number % 26), count: number % 300)
    }
}
