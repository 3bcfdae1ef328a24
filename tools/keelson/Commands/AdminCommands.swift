internal import ArgumentParser
internal import KeelsonClient

struct AlarmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alarm",
        abstract: "Look at alarms and take them back.",
        discussion: """
            EXAMPLES:
              keelson alarm list
              keelson alarm disarm
            """,
        subcommands: [AlarmListCommand.self, AlarmDisarmCommand.self])

    static func print(_ header: AnswerHeader?, _ alarms: [Alarm], _ format: OutputFormat) {
        var output = Output()
        switch format {
        case .json:
            let members = alarms.map { alarm in
                JSONValue.object([
                    ("memberID", .unsigned(alarm.memberID)), ("alarm", .string("\(alarm.kind)")),
                ])
            }
            output.line(
                .object(
                    (header.map { [("header", $0.json)] } ?? []) + [("alarms", .array(members))]))
        case .text:
            for alarm in alarms {
                output.line("memberID:\(alarm.memberID) alarm:\(alarm.kind)")
            }
        }
        output.flush()
    }
}

struct AlarmListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the alarms that are raised; nothing if there are none.",
        discussion: """
            EXAMPLES:
              keelson alarm list
            """)

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let list = try await cluster.withCluster { try await $0.alarms() }
        AlarmCommand.print(list.header, list.alarms, cluster.format)
    }
}

struct AlarmDisarmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disarm",
        abstract: "Take every alarm back and print those that were raised.",
        discussion: """
            EXAMPLES:
              keelson alarm disarm
            """)

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let disarmed = try await cluster.withCluster { client in
            let alarms = try await client.alarms().alarms
            for alarm in alarms { try await client.disarm(alarm) }
            return alarms
        }
        AlarmCommand.print(nil, disarmed, cluster.format)
    }
}

struct CompactCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Forget the versions that were superseded before a revision.",
        discussion: """
            EXAMPLES:
              keelson compact 1000
            """)

    @Argument(help: "The revision; reads and watches from before it fail afterwards.")
    var revision: Int64

    @Flag(help: "Return only when the member has freed them.")
    var physical = false

    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if revision <= 0 { throw ValidationError("A revision to compact to is 1 or more.") }
    }

    func run() async throws {
        let header = try await cluster.withCluster {
            try await $0.compact(to: revision, physical: physical)
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.object([("header", header.json)]))
        case .text: output.line("compacted revision \(revision)")
        }
        output.flush()
    }
}
