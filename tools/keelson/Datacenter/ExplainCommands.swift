internal import ArgumentParser
internal import Foundation
internal import KeelsonClient
internal import StateMachine

struct FrameworkExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why a framework gets no offers.",
        discussion: """
            Asks the master. For each of the framework's roles it prints how many agents it may be
            offered next, and what stands against the others: the first reason of each.

            EXAMPLES:
              keelson framework explain 93073543
            """)

    @Argument(help: "The id, as `keelson framework list` prints it, or how it begins.")
    var framework: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let answer = try await cluster.withCluster { cluster in
            let records = try await DatacenterRecords.read(cluster)
            let found = try DatacenterRecords.one(
                framework, of: records.frameworks, "framework"
            ) { "\($0.id)" }
            return try await MasterQuestion(cluster, self.cluster.timeout.duration).get(
                "explain?framework=\(found.id)")
        }
        guard cluster.format == .text else { return Self.print(answer) }
        let explanation = try MasterQuestion.read(Explanation.self, answer)
        var output = Output()
        output.line("offers that it has not answered: \(explanation.offersOutstanding)")
        output.line("")
        output.table(["ROLE", "AGENTS", "WHY", "FIRST", "FOR"], explanation.rows)
        output.flush()
    }

    private struct Explanation: Decodable {
        struct Role: Decodable {
            var role: String
            var offerableAgents: Int
            var obstacles: [Obstacle]
        }

        struct Obstacle: Decodable {
            var why: String
            var agents: Int
            var firstAgent: String
            var forMilliseconds: UInt64?
        }

        var offersOutstanding: Int
        var roles: [Role]

        var rows: [[String]] {
            roles.flatMap { role in
                let free = [role.role, "\(role.offerableAgents)", "it may be offered", "", ""]
                return [free]
                    + role.obstacles.map { obstacle in
                        [
                            role.role, "\(obstacle.agents)", obstacle.why, obstacle.firstAgent,
                            MasterQuestion.text(obstacle.forMilliseconds),
                        ]
                    }
            }
        }
    }

    static func print(_ answer: [UInt8]) {
        var output = Output()
        output.line(answer)
        output.flush()
    }
}

struct AgentExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say who may use an agent, and why the others may not.",
        discussion: """
            EXAMPLES:
              keelson agent explain 55b320c1
            """)

    @Argument(help: "The id, as `keelson agent list` prints it, or how it begins.")
    var agent: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let answer = try await cluster.withCluster { cluster in
            let records = try await DatacenterRecords.read(cluster)
            let found = try DatacenterRecords.one(agent, of: records.agents, "agent") {
                "\($0.id)"
            }
            return try await MasterQuestion(cluster, self.cluster.timeout.duration).get(
                "explain?agent=\(found.id)")
        }
        guard cluster.format == .text else { return FrameworkExplainCommand.print(answer) }
        let explanation = try MasterQuestion.read(Explanation.self, answer)
        var output = Output()
        output.line("free: \(explanation.free)")
        output.line("")
        output.table(
            ["FRAMEWORK", "ROLE", "WHY", "FOR"],
            explanation.frameworks.map { line in
                [
                    line.framework, line.role, line.why ?? "it may be offered what is free",
                    MasterQuestion.text(line.forMilliseconds),
                ]
            })
        output.flush()
    }

    private struct Explanation: Decodable {
        struct Line: Decodable {
            var framework: String
            var role: String
            var why: String?
            var forMilliseconds: UInt64?
        }

        var free: String
        var frameworks: [Line]
    }
}

struct TaskKillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill",
        abstract: "Have a task end.",
        discussion: """
            The order is committed when this command ends; the task ends a little later, and its
            framework is told. A framework that wants its tasks to run may start another one.

            EXAMPLES:
              keelson task kill run-1
              keelson task kill --grace 30s --framework 93073543 run-1
            """)

    @Argument(help: "The task's id; with --framework where several have it.") var task: String
    @Option(help: "The framework's id, or how it begins.") var framework: String?
    @Option(help: "The time that it has to end by itself. (default: as the task says)")
    var grace: TimeSpan?
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let key = try await cluster.withCluster { cluster in
            let records = try await DatacenterRecords.read(cluster)
            let found = try records.task(task, of: framework)
            guard found.holdsResources else {
                throw Failure(.failed, "task \(task) has ended already: \(found.state.text)")
            }
            var form = "framework=\(MasterQuestion.encoded("\(found.key.framework)"))"
            form += "&task=\(MasterQuestion.encoded("\(found.key.task)"))"
            if let grace { form += "&grace=\(Int(max(1, grace.duration.milliseconds)))" }
            _ = try await MasterQuestion(cluster, self.cluster.timeout.duration).post("kill", form)
            return found.key
        }
        guard cluster.format == .text else { return }
        var output = Output()
        output.line("task \(key.task) is to end")
        output.flush()
    }
}

/// What only the master answers, at `/keelson/v1/`.
struct MasterQuestion {
    private let place: HTTPPlace
    private let timeout: Duration

    init(_ cluster: Cluster, _ timeout: Duration) async throws {
        place = try await HTTPPlace.master(of: cluster)
        self.timeout = timeout
    }

    func get(_ question: String) async throws -> [UInt8] {
        try await send(HTTPCall("GET", "/keelson/v1/\(question)"))
    }

    func post(_ name: String, _ form: String) async throws -> [UInt8] {
        var call = HTTPCall("POST", "/keelson/v1/\(name)")
        call.headers = [("Content-Type", "application/x-www-form-urlencoded")]
        call.body = Array(form.utf8)
        return try await send(call)
    }

    /// A call of Mesos' operator API, encoded.
    func post(_ message: [UInt8]) async throws -> [UInt8] {
        var call = HTTPCall("POST", "/api/v1")
        call.headers = [("Content-Type", "application/x-protobuf")]
        call.body = message
        return try await send(call)
    }

    private func send(_ call: HTTPCall) async throws -> [UInt8] {
        let answer = try await call.send(to: place, timeout: timeout)
        if answer.status == 200 { return answer.body }
        if let refusal = answer.refusal(by: place) { throw refusal }
        let kind: Failure.Status = [307, 503].contains(answer.status) ? .unavailable : .failed
        throw Failure(kind, "the master at \(place) answers \(answer.text)")
    }

    static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }

    static func read<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw Failure(.failed, "the master does not answer as one of this version does")
        }
    }

    /// Of what passes by itself.
    static func text(_ milliseconds: UInt64?) -> String {
        milliseconds.map { "\(($0 + 999) / 1000)s" } ?? ""
    }
}
