import Primitives
import Simulation
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Strict serializability: long histories", .serialized)
struct ScaleTests {
    /// Of this thread: what else the machine does is no matter.
    private var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func check(_ workload: Workload, within limit: Double) {
        let history = workload.run()
        let start = processorSeconds
        let verdict = LinearizabilityChecker.check(history)
        let taken = processorSeconds - start
        let unanswered = history.operations.filter { operation in
            if case .unknown = operation.outcome { true } else { false }
        }.count
        print(
            "checked \(workload.operations) operations of \(workload.clients) clients,"
                + " \(unanswered) without an answer,"
                + " \(workload.tellsWrites ? "with" : "without") the store's log: \(taken) s")
        #expect(verdict.isLinearizable, "\(String("\(verdict)".prefix(500)))")
        #expect(taken < limit)
    }

    @Test(
        "10,000 operations of 32 clients, 3 % unanswered, take seconds", arguments: [false, true])
    func tenThousand(tellsWrites: Bool) {
        check(
            Workload(
                seed: 7, operations: 10_000, clients: 32, keys: 40, unknownPercent: 3,
                tellsWrites: tellsWrites), within: 10)
    }

    @Test("100,000 operations take ten times as long, not a hundred times")
    func hundredThousand() {
        check(
            Workload(
                seed: 8, operations: 100_000, clients: 32, keys: 400, unknownPercent: 3,
                hasCompactions: false, tellsWrites: true), within: 30)
    }

    @Test("100,000 operations on 50,000 keys take no longer")
    func manyKeys() {
        var workload = Workload(
            seed: 9, operations: 100_000, clients: 64, keys: 50_000, unknownPercent: 3)
        workload.hasLeases = false
        workload.hasCompactions = false
        workload.wholeRangePercent = 0
        workload.tellsWrites = true
        check(workload, within: 30)
    }
}
