import Primitives
import Simulation
import Testing

@Suite("Simulation: whole clusters in virtual time")
struct SimulationTests {
    private func run(
        _ seed: UInt64, seconds: Int = 20, _ change: (inout RunSettings) -> Void = { _ in }
    ) -> RunResult {
        var settings = RunSettings(seed: seed, safetyMicros: seconds * 1_000_000)
        change(&settings)
        return SimulationRun(settings).result()
    }

    @Test("every promise is kept", arguments: UInt64(1)...24)
    func promises(seed: UInt64) {
        let result = run(seed)
        #expect(result.violation == nil, "keelson simulate --seed \(seed): \(result.tail)")
        #expect(result.committed > 0)
    }

    /// The first seeds that have a datacenter.
    static let datacenterSeeds = (UInt64(1)...200).filter {
        RunSettings(seed: $0).enables(.datacenter)
    }.prefix(8)

    @Test("every promise to agents and frameworks is kept", arguments: datacenterSeeds)
    func datacenter(seed: UInt64) {
        let result = run(seed, seconds: 60)
        #expect(result.violation == nil, "keelson simulate --seed \(seed): \(result.tail)")
        #expect(result.counters.times(CoverageMark.masterTookOffice) > 0)
    }

    /// The first seeds in which users keep services.
    static let serviceSeeds = (UInt64(1)...200).filter {
        RunSettings(seed: $0).enables(.services)
    }.prefix(6)

    @Test("every promise to users of services is kept", arguments: serviceSeeds)
    func services(seed: UInt64) {
        let result = run(seed, seconds: 60)
        #expect(result.violation == nil, "keelson simulate --seed \(seed): \(result.tail)")
        #expect(result.counters.times(CoverageMark.servicesConverged) > 0)
    }

    @Test(
        "seeds that once failed keep every promise, for as long as they failed",
        arguments: [
            UInt64(9), 23, 52, 5004, 5047, 7037, 334, 4633, 6190, 500_092, 1753, 130_980_555,
            699_218_231, 2_107_020_054, 2_716_294_622, 2_743_180_419, 5_000_474,
        ])
    func seedsThatFailed(seed: UInt64) {
        // As they failed: with logs that began empty, one build, nobody who took locks, and no
        // datacenter.
        let result = run(seed, seconds: 110) { settings in
            settings.prehistoryRounds = 0
            settings.olderCount = 0
            settings.lockerCount = 0
            settings.agentCount = 0
            settings.frameworkCount = 0
            settings.serviceCount = 0
            settings.faults.removeAll { [.locks, .datacenter, .services].contains($0.kind) }
        }
        #expect(result.violation == nil, "seed \(seed): \(result.tail)")
    }

    @Test(
        "seeds that failed later do, whole",
        arguments: [UInt64(42), 109, 843, 985, 1068, 1450, 1812])
    func wholeSeedsThatFailed(seed: UInt64) {
        let result = SimulationRun(RunSettings(seed: seed)).result()
        #expect(result.violation == nil, "keelson simulate --seed \(seed): \(result.tail)")
    }

    @Test("a seed is one run", arguments: [UInt64(3), 7, 11])
    func determinism(seed: UInt64) {
        let first = run(seed)
        let second = run(seed)
        #expect(first.traceHash == second.traceHash)
        #expect(first.events == second.events)
        #expect(first.traceHash != run(seed + 100).traceHash)
    }

    @Test("a campaign counts what it did")
    func campaign() {
        let plan = SimulationCampaign.Plan(
            firstSeed: 50, seedsMax: 4, nanosecondsMax: nil, safetyMicros: 5_000_000, threads: 2)
        let report = SimulationCampaign(plan, onBegin: { _ in }, onProgress: { _ in }).run()
        #expect(report.seeds == 4)
        #expect(report.simulatedMicros >= 4 * 5_000_000)
        #expect(report.operations > 0)
        #expect(report.broken.isEmpty)
    }
}
