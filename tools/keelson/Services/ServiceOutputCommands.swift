internal import ArgumentParser
internal import ControlPlane
internal import KeelsonClient
internal import StateMachine

struct ServiceLogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Print what a service's instances have written.",
        discussion: """
            Asks the agents that run them, at the addresses that they serve at.

            EXAMPLES:
              keelson service logs web
              keelson service logs --follow --stderr web
              keelson service logs web --instance web.instance-000000000012f000
            """)

    @Argument(help: "The service.") var name: String
    @Option(help: "Of this instance alone.") var instance: String?
    @Flag(help: "The standard error instead of the standard output.") var stderr = false
    @Flag(name: .shortAndLong, help: "Go on until interrupted.") var follow = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let path = try ServiceName.path(name)
        try await cluster.withServices { client in
            var printed: [String: UInt64] = [:]
            var last = ""
            while true {
                let all = try await instances(of: path, client)
                for (id, file, agent) in all {
                    guard
                        let files = AgentFiles(
                            agent, of: client.cluster, timeout: cluster.timeout.duration),
                        let end = try? await files.size(file), end > printed[id] ?? 0
                    else { continue }
                    if last != id, all.count > 1 || !last.isEmpty {
                        var header = Output()
                        header.line("==> \(id) <==")
                        header.flush()
                    }
                    last = id
                    printed[id] = try await files.print(file, from: printed[id] ?? 0)
                }
                if !follow { return }
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    private func instances(
        of path: String, _ client: ServiceClient
    ) async throws -> [(id: String, file: String, agent: AgentRecord)] {
        let body = try await client.get("/v2/apps\(path)/tasks")
        var ids = body["tasks"]?.elements.compactMap { $0["id"]?.string } ?? []
        if let instance {
            ids.removeAll { $0 != instance }
            if ids.isEmpty {
                throw Failure(
                    .failed, "\(path) has no instance \(instance)",
                    advice: "see keelson service show \(path)")
            }
        }
        let records = try await DatacenterRecords.read(client.cluster)
        return ids.compactMap { id in
            let key = TaskKey(ServiceFramework.id, InstanceID(id))
            guard let task = records.tasks.first(where: { $0.key == key }),
                let agent = records.agent(task.agent)
            else { return nil }
            return (id, task.sandbox + (stderr ? "/stderr" : "/stdout"), agent)
        }
    }
}

struct ServiceEventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Print what happens to services, as it happens.",
        discussion: """
            Each line is an event of Marathon's, JSON. It goes on through a change of leader without
            missing one; a few may come twice.

            EXAMPLES:
              keelson service events
              keelson service events --type deployment_success --type deployment_failed
              keelson service events --after 4711
            """)

    @Option(parsing: .singleValue, help: "Of this type alone; may be given again.")
    var type: [String] = []
    @Option(help: "Begin behind the event with this number, where it is still kept.")
    var after: UInt64?
    @Option(help: "End after so many events.") var count: Int?
    @OptionGroup var cluster: ClusterOptions

    /// A server says something every 15 s, if only that nothing happens.
    private static let silenceMax = Duration.seconds(45)
    private static let lineBytesMax = 16 << 20

    func run() async throws {
        try await cluster.withServices { client in
            var last = after
            var left = count ?? .max
            while left > 0 {
                do {
                    try await follow(client, &last, &left)
                } catch let failure as Failure where failure.status == .unavailable {
                    // The next server goes on where this one stopped.
                }
                if left > 0 { try await Task.sleep(for: .milliseconds(300)) }
            }
        }
    }

    private func follow(
        _ client: ServiceClient, _ last: inout UInt64?, _ left: inout Int
    ) async throws {
        let place = try await HTTPPlace.master(of: client.cluster)
        let query = type.map { "event_type=\($0)" }.joined(separator: "&")
        var call = HTTPCall("GET", "/v2/events" + (query.isEmpty ? "" : "?" + query))
        call.headers = [("Accept", "text/event-stream")]
        if let last { call.headers.append(("Last-Event-ID", "\(last)")) }
        let (answer, pieces) = try await call.open(place, timeout: client.timeout)
        guard answer.status == 200 else {
            if let refusal = await HTTPCall.gathered(answer, pieces).refusal(by: place) {
                throw refusal
            }
            throw Failure(
                answer.status == 503 ? .unavailable : .failed, "\(place) answers \(answer.status)")
        }
        var rest: [UInt8] = []
        var heard = ContinuousClock.now
        for try await piece in Ticking.stream(pieces, every: .seconds(5)) {
            guard let piece else {
                if ContinuousClock.now - heard > Self.silenceMax { return }
                continue
            }
            heard = .now
            rest += piece
            while let end = rest.firstIndex(of: 0x0A) {
                let line = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeSubrange(...end)
                take(line, &last, &left)
                if left == 0 { return }
            }
            if rest.count > Self.lineBytesMax {
                throw Failure(.failed, "\(place) sends a line that is too long")
            }
        }
    }

    private func take(_ line: String, _ last: inout UInt64?, _ left: inout Int) {
        if line.hasPrefix("id:") {
            last = UInt64(line.dropFirst(3).drop { $0 == " " }) ?? last
        } else if line.hasPrefix("data:") {
            var output = Output()
            output.line(String(line.dropFirst(5).drop { $0 == " " }))
            output.flush()
            left -= 1
        }
    }
}
