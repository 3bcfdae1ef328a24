internal import ArgumentParser
internal import ControlPlane
internal import Foundation

/// What a service is to be, from flags and, if there is one, a file: an app as Marathon has it, in
/// JSON or YAML. Flags count more.
struct ServiceDefinitionOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: """
            A file with the service's definition, as Marathon takes it, in JSON or in YAML; - is \
            the input.
            """)
    var file: String?
    @Option(help: "How many instances run.") var instances: Int?
    @Option(help: "How many processors each has. (default: 0.1)") var cpus: Double?
    @Option(help: "How many megabytes of memory each has. (default: 32)") var mem: Double?
    @Option(help: "How many megabytes of disk each has.") var disk: Double?
    @Option(help: "How many graphics processors each has.") var gpus: Int?
    @Option(help: "The program as a line for the shell.") var cmd: String?
    @Option(
        name: .shortAndLong, parsing: .singleValue,
        help: ArgumentHelp("A variable of its environment.", valueName: "name=value"))
    var env: [String] = []
    @Option(
        name: .shortAndLong, parsing: .singleValue,
        help: ArgumentHelp("A label.", valueName: "name=value"))
    var label: [String] = []
    @Option(
        name: .shortAndLong, parsing: .singleValue,
        help: ArgumentHelp(
            "A port: a name, a number, or both; $PORT0 and so on hold the numbers.",
            valueName: "name:number"))
    var port: [String] = []
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Where instances may be: UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, MAX_PER or IS.",
            valueName: "field:operator:value"))
    var constraint: [String] = []
    @Option(help: ArgumentHelp("Healthy is who answers to GET here.", valueName: "path"))
    var healthHttp: String?
    @Flag(help: "Healthy is who takes connections at the first port.") var healthTcp = false
    @Option(help: ArgumentHelp("Healthy is whose command ends with 0.", valueName: "command"))
    var healthCmd: String?
    @Option(help: "Between two checks.") var healthInterval: TimeSpan?
    @Option(help: "How much of the instances stays healthy during an update, from 0 to 1.")
    var minHealth: Double?
    @Option(help: "How much of them may run beyond, from 0 to 1.") var maxOver: Double?
    @Option(help: "Between an instance that was asked to end and its kill.")
    var killGrace: TimeSpan?
    @Option(help: "Whose resources it takes.") var role: String?

    /// - Parameters:
    ///   - words: the program and its arguments; none: as the shell's line, or the file, has it.
    ///   - isNew: what is not said is as new services have it, and not as it was.
    func definition(
        named name: String?, words: [String], isNew: Bool
    ) throws -> MarathonJSON {
        var json = try file.map { try Self.read($0) } ?? .object([])
        guard case .object = json else {
            throw Failure(.usage, "\(file ?? "") holds no object: one service, or one group")
        }
        if let name { json.set("id", .text(try ServiceName.path(name))) }
        if isNew, file == nil {
            json.set("cpus", .decimal(0.1))
            json.set("mem", .integer(32))
            json.set("portDefinitions", .list([]))
        }
        if let cmd { json.set("cmd", .text(cmd)) }
        if !words.isEmpty { json.set("args", .list(words.map { .text($0) })) }
        if let instances { json.set("instances", .integer(Int64(instances))) }
        for (field, amount) in [("cpus", cpus), ("mem", mem), ("disk", disk)] {
            if let amount { json.set(field, .decimal(amount)) }
        }
        if let gpus { json.set("gpus", .integer(Int64(gpus))) }
        if let role { json.set("role", .text(role)) }
        try setLists(&json)
        setBehaviour(&json)
        return json
    }

    private func setLists(_ json: inout MarathonJSON) throws {
        if !env.isEmpty { json.set("env", try Self.pairs(env, "--env")) }
        if !label.isEmpty { json.set("labels", try Self.pairs(label, "--label")) }
        if !port.isEmpty {
            let ports = port.map { Self.port($0) }
            json.set("portDefinitions", .list(ports))
            if ports.contains(where: { $0["port"] != 0 }) { json.set("requirePorts", true) }
        }
        if !constraint.isEmpty {
            let lists = constraint.map { text in
                text.split(separator: ":", maxSplits: 2).map { MarathonJSON.text(String($0)) }
            }
            json.set("constraints", .list(lists.map { .list($0) }))
        }
    }

    private func setBehaviour(_ json: inout MarathonJSON) {
        if var check = healthCheck {
            if let healthInterval { check.set("intervalSeconds", Self.seconds(healthInterval)) }
            json.set("healthChecks", .list([check]))
        }
        if minHealth != nil || maxOver != nil {
            var strategy = MarathonJSON.object([])
            if let minHealth { strategy.set("minimumHealthCapacity", .decimal(minHealth)) }
            if let maxOver { strategy.set("maximumOverCapacity", .decimal(maxOver)) }
            json.set("upgradeStrategy", strategy)
        }
        if let killGrace { json.set("taskKillGracePeriodSeconds", Self.seconds(killGrace)) }
    }

    /// Looked at soon, and often, unless it is said otherwise.
    private var healthCheck: MarathonJSON? {
        var check = MarathonJSON.object(
            ("intervalSeconds", 5), ("timeoutSeconds", 5), ("delaySeconds", 0),
            ("gracePeriodSeconds", 60))
        if let healthHttp {
            check.set("protocol", "MESOS_HTTP")
            check.set("path", .text(healthHttp))
            check.set("portIndex", 0)
        } else if healthTcp {
            check.set("protocol", "MESOS_TCP")
            check.set("portIndex", 0)
        } else if let healthCmd {
            check.set("protocol", "COMMAND")
            check.set("command", .object(("value", .text(healthCmd))))
        } else {
            return nil
        }
        return check
    }

    private static func seconds(_ span: TimeSpan) -> MarathonJSON {
        .decimal(span.duration.milliseconds / 1_000)
    }

    /// `http`, `8080`, or `http:8080`.
    private static func port(_ text: String) -> MarathonJSON {
        let parts = text.split(separator: ":", maxSplits: 1)
        var json = MarathonJSON.object(("port", 0), ("protocol", "tcp"))
        for part in parts {
            if let number = Int64(part) {
                json.set("port", .integer(number))
            } else {
                json.set("name", .text(String(part)))
            }
        }
        return json
    }

    private static func pairs(_ texts: [String], _ flag: String) throws(Failure) -> MarathonJSON {
        var json = MarathonJSON.object([])
        for text in texts {
            guard let mark = text.firstIndex(of: "="), mark != text.startIndex else {
                throw Failure(.usage, "\(flag) \(text): give NAME=VALUE")
            }
            json.set(String(text[..<mark]), .text(String(text[text.index(after: mark)...])))
        }
        return json
    }

    private static func read(_ file: String) throws(Failure) -> MarathonJSON {
        let bytes: [UInt8]
        if file == "-" {
            bytes = Output.readStandardInput()
        } else {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw Failure(.inputOutput, "\(file) cannot be read")
            }
            bytes = Array(data)
        }
        // YAML's lists and names begin with neither.
        guard bytes.first(where: { $0 > 0x20 }).map({ "{[".utf8.contains($0) }) ?? true else {
            return try YAMLDefinition.parse(String(decoding: bytes, as: UTF8.self), named: file)
        }
        do throws(MarathonJSONParser.Problem) {
            return try MarathonJSONParser.parse(bytes)
        } catch {
            let line = bytes.prefix(error.offset).count { $0 == 0x0A } + 1
            throw Failure(
                .usage, "\(file) is no JSON: line \(line): \(error.message)",
                advice: "definitions are JSON as Marathon takes them, or the same in YAML")
        }
    }
}
