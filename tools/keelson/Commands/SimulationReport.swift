internal import Simulation

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What a campaign is told to people and to files as.
enum SimulationReport {
    static func summary(_ report: SimulationCampaign.Report) -> String {
        let perMinute = rounded(report.hoursPerRealMinute)
        let perHour = rounded(
            report.simulatedHours > 0
                ? Double(report.counters.faultCount) / report.simulatedHours : 0)
        return "\(report.seeds) seeds, \(rounded(report.simulatedHours)) simulated hours"
            + " (\(perMinute) a minute), \(report.counters.faultCount) faults (\(perHour) an hour),"
            + " \(report.operations) operations, \(report.broken.count) broken promises"
    }

    private static func rounded(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    static func json(
        _ report: SimulationCampaign.Report, _ plan: SimulationCampaign.Plan,
        command: (UInt64) -> String
    ) -> JSONValue {
        let faults = FaultKind.allCases.map { kind in
            (kind.rawValue, JSONValue.integer(Int64(report.counters.times(kind))))
        }
        let marks = CoverageMark.allCases.map { mark in
            (mark.rawValue, JSONValue.integer(Int64(report.counters.times(mark))))
        }
        let violations = report.broken.compactMap { broken -> JSONValue? in
            guard let violation = broken.violation else { return nil }
            return .object([
                ("seed", .unsigned(broken.seed)), ("property", .string(violation.property)),
                ("what", .string(violation.what)), ("trace", .string(broken.traceHash)),
                ("replay", .string(command(broken.seed))),
                ("tail", .array(broken.tail.map { .string($0) })),
            ])
        }
        return .object([
            ("firstSeed", .unsigned(plan.firstSeed)), ("seeds", .integer(Int64(report.seeds))),
            ("seedsRunTwice", .integer(Int64(report.repeated))),
            ("simulatedHours", .number(report.simulatedHours)),
            ("realSeconds", .number(Double(report.realNanoseconds) / 1e9)),
            ("hoursPerRealMinute", .number(report.hoursPerRealMinute)),
            ("threads", .integer(Int64(plan.threads))),
            ("operations", .integer(Int64(report.operations))),
            ("committedEntries", .unsigned(report.committed)),
            ("faults", .integer(Int64(report.counters.faultCount))),
            ("seedsWithThreeKinds", .integer(Int64(report.seedsWithThreeKinds))),
            ("faultsByKind", .object(faults)), ("coverage", .object(marks)),
            ("violations", .array(violations)),
        ])
    }

    static func write(
        _ report: SimulationCampaign.Report, _ plan: SimulationCampaign.Plan, to path: String,
        command: (UInt64) -> String
    ) throws {
        var bytes: [UInt8] = []
        json(report, plan, command: command).write(to: &bytes)
        bytes.append(0x0A)
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard file >= 0 else {
            throw Failure(.inputOutput, "cannot write \(path): errno \(errno)")
        }
        Output.writeAll(bytes, to: file)
        close(file)
    }
}
