internal import ArgumentParser
internal import KeelsonClient

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look for what is wrong, or soon will be, with a cluster or a machine.",
        discussion: """
            Of a cluster: whether every member answers, one leads, a majority is there and nobody
            lags; versions and feature levels, clocks, round trips, syncs of the logs, file
            descriptors, room on the disks, quota, alarms and certificates. Name every member with
            --endpoints.

            With --data-dir this machine, too: how long its disk takes to make 8 KiB durable, what
            file system that is, how much room there is. Without --endpoints that is all.

            Each line is ok, warn or fail, with what was measured; advice stands below. The exit
            status is 1 where something fails, or, with --strict, where something is to be warned
            of; 69 if no member answers.

            EXAMPLES:
              keelson doctor --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379
              keelson doctor --data-dir /var/lib/keelson
              keelson doctor --strict -o json
            """)

    @Option(
        help: ArgumentHelp(
            "Measure this machine, too: a folder on the disk of the server's data directory.",
            valueName: "path"))
    var dataDir: String?

    @Flag(help: "Warnings make the exit status 1, too.")
    var strict = false

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        var findings: [Finding] = []
        if let dataDir { findings += try MachineExamination(directory: dataDir).run() }
        let asksCluster =
            dataDir == nil || cluster.endpoints != nil || getenv("KEELSON_ENDPOINTS") != nil
        var isSilent = false
        if asksCluster {
            let found = try await ClusterQuestions(options: cluster).ask()
            isSilent = !found.reports.contains { $0.member != nil }
            findings += found.findings()
        }
        print(findings)
        let worst = findings.map(\.verdict).max() ?? .ok
        if isSilent { throw ExitCode(Failure.Status.unavailable.rawValue) }
        if worst == .fail || (strict && worst == .warn) {
            throw ExitCode(Failure.Status.failed.rawValue)
        }
    }

    private func print(_ findings: [Finding]) {
        var output = Output()
        let worst = findings.map(\.verdict).max() ?? .ok
        switch cluster.format {
        case .json:
            output.line(
                .object([
                    ("verdict", .string(worst.rawValue)),
                    ("findings", .array(findings.map(\.json))),
                ]))
        case .text:
            output.table(
                ["", "CHECK", "OF", "MEASURED"],
                findings.map { finding in
                    [
                        finding.verdict.rawValue, finding.check,
                        finding.subject.isEmpty ? "the cluster" : finding.subject,
                        finding.measured,
                    ]
                })
            let bad = findings.filter { $0.verdict != .ok }.sorted { $0.verdict > $1.verdict }
            var said: Set<String> = []
            for finding in bad where said.insert(finding.check + finding.advice).inserted {
                output.line("")
                output.line("\(finding.verdict.rawValue) \(finding.check): \(finding.advice)")
            }
            let counts = [Finding.Verdict.ok, .warn, .fail].map { verdict in
                "\(findings.count { $0.verdict == verdict }) \(verdict.rawValue)"
            }
            output.line("")
            output.line(counts.joined(separator: ", "))
        }
        output.flush()
    }
}

/// Asks every endpoint what ``ClusterExamination`` judges.
struct ClusterQuestions {
    let options: ClusterOptions

    func ask() async throws -> ClusterExamination {
        let timeout = options.timeout.duration
        let sources = try MetricsSource.all(options)
        async let pages = MetricsSource.read(sources, timeout: timeout)
        let statuses = try await options.each { try await $0.status() }
        guard statuses.contains(where: { (try? $0.answer.get()) != nil }) else {
            // Nobody is there: nothing else is worth the wait.
            return Self.silence(statuses, await pages)
        }
        let reads = try await options.each { client -> Duration in
            let start = ContinuousClock.now
            var range = GetOptions()
            range.limit = 1
            range.keysOnly = true
            do {
                _ = try await client.get(.key("health"), range)
            } catch let error as ClusterError where error.code == .permissionDenied {
                // A member that refuses on account of permissions has done the read all the same.
            }
            return ContinuousClock.now - start
        }
        let members = try await anywhere { try await $0.members() }
        let alarms = try await anywhere { try await $0.alarms() }
        let samples = await pages
        let reports = statuses.indices.map { place in
            EndpointReport(
                endpoint: statuses[place].endpoint, status: statuses[place].answer,
                read: reads[place].answer, metrics: samples[place])
        }
        return ClusterExamination(reports: reports, members: members, alarms: alarms)
    }

    private static func silence(
        _ statuses: [EndpointAnswer<MemberStatus>], _ samples: [Result<MetricsSample, any Error>]
    ) -> ClusterExamination {
        let unasked = ClusterError(.unavailable, "no member answers")
        let reports = statuses.indices.map { place in
            EndpointReport(
                endpoint: statuses[place].endpoint, status: statuses[place].answer,
                read: .failure(unasked), metrics: samples[place])
        }
        return ClusterExamination(
            reports: reports, members: .failure(unasked), alarms: .failure(unasked))
    }

    private func anywhere<Answer: Sendable>(
        _ body: (Cluster) async throws -> Answer
    ) async throws -> Result<Answer, ClusterError> {
        do { return .success(try await options.withCluster(body)) } catch {
            return .failure(error as? ClusterError ?? ClusterError(.server, "\(error)"))
        }
    }
}
