package import Primitives

extension TaskSpec {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 512)
        encode(into: &writer)
        return writer.bytes
    }

    package func encode(into writer: inout ByteWriter) {
        writer.writeLengthPrefixed(frameworkID.text)
        writer.writeLengthPrefixed(taskID.text)
        writer.writeOptional(executorID?.text)
        writer.writeLengthPrefixed(name)
        command.encode(into: &writer)
        writer.writeList(environment) { writer, variable in
            writer.writeLengthPrefixed(variable.name)
            writer.writeLengthPrefixed(variable.value)
        }
        writer.writeOptional(user)
        writer.writeList(uris) { writer, uri in
            writer.writeLengthPrefixed(uri.value)
            writer.write(uri.isExecutable)
            writer.write(uri.extracts)
            writer.write(uri.usesCache)
            writer.writeOptional(uri.outputFile)
        }
        resources.encode(into: &writer)
        writer.write(killGraceMillis)
        writer.write(healthCheck != nil)
        if let healthCheck {
            healthCheck.probe.encode(into: &writer)
            healthCheck.timing.encode(into: &writer)
            writer.write(healthCheck.consecutiveFailures)
            writer.write(healthCheck.gracePeriod)
        }
        writer.write(check != nil)
        if let check {
            check.probe.encode(into: &writer)
            check.timing.encode(into: &writer)
        }
        writer.writeList(labels) { writer, label in
            writer.writeLengthPrefixed(label.key)
            writer.writeOptional(label.value)
        }
        writer.write(reportsKilling)
    }

    package init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        let framework: FrameworkID = try reader.readIdentifier()
        let task: TaskID = try reader.readIdentifier()
        let executor: ExecutorID? = try reader.readFlag() ? try reader.readIdentifier() : nil
        let name = try reader.readText()
        self.init(
            frameworkID: framework, taskID: task, command: try TaskCommand(from: &reader))
        self.executorID = executor
        self.name = name
        environment = try reader.readList(max: AgentLimits.environmentMax, Self.readVariable)
        user = try reader.readOptionalText()
        uris = try reader.readList(max: AgentLimits.urisMax, Self.readURI)
        resources = try TaskResources(from: &reader)
        killGraceMillis = try reader.read()
        if try reader.readFlag() {
            var check = HealthCheck(try Probe(from: &reader))
            check.timing = try ProbeTiming(from: &reader)
            check.consecutiveFailures = try reader.read()
            check.gracePeriod = try reader.read()
            healthCheck = check
        }
        if try reader.readFlag() {
            var check = TaskCheck(try Probe(from: &reader))
            check.timing = try ProbeTiming(from: &reader)
            self.check = check
        }
        labels = try reader.readList(max: AgentLimits.labelsMax, Self.readLabel)
        reportsKilling = try reader.readFlag()
    }

    private static func readVariable(
        _ reader: inout ByteReader
    ) throws(Primitives.DecodingError) -> EnvironmentVariable {
        EnvironmentVariable(try reader.readText(), try reader.readText())
    }

    private static func readURI(
        _ reader: inout ByteReader
    ) throws(Primitives.DecodingError) -> TaskURI {
        var uri = TaskURI(try reader.readText())
        uri.isExecutable = try reader.readFlag()
        uri.extracts = try reader.readFlag()
        uri.usesCache = try reader.readFlag()
        uri.outputFile = try reader.readOptionalText()
        return uri
    }

    private static func readLabel(
        _ reader: inout ByteReader
    ) throws(Primitives.DecodingError) -> TaskLabel {
        TaskLabel(try reader.readText(), try reader.readOptionalText())
    }
}

extension TaskCommand {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .shell(let script):
            writer.write(UInt8(0))
            writer.writeLengthPrefixed(script)
        case .program(let path, let arguments):
            writer.write(UInt8(1))
            writer.writeLengthPrefixed(path)
            writer.writeList(arguments) { $0.writeLengthPrefixed($1) }
        }
    }

    init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        let start = reader.offset
        switch try reader.read(UInt8.self) {
        case 0: self = .shell(try reader.readText())
        case 1:
            let path = try reader.readText()
            let arguments = try reader.readList(max: AgentLimits.argumentsMax) {
                (reader: inout ByteReader) throws(Primitives.DecodingError) -> String in
                try reader.readText()
            }
            self = .program(path, arguments: arguments)
        default: throw .invalid(field: "command", offset: start)
        }
    }
}

extension TaskResources {
    func encode(into writer: inout ByteWriter) {
        writer.write(cpuMillis)
        writer.write(isCPULimited)
        writer.write(memoryBytes)
        writer.write(processesMax)
        writer.writeList(ports) { writer, range in
            writer.write(range.first)
            writer.write(range.last)
        }
    }

    init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        self.init()
        cpuMillis = try reader.read()
        isCPULimited = try reader.readFlag()
        memoryBytes = try reader.read()
        processesMax = try reader.read()
        ports = try reader.readList(max: AgentLimits.portRangesMax) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> PortRange in
            PortRange(try reader.read(), try reader.read())
        }
    }
}

extension Probe {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .command(let command):
            writer.write(UInt8(0))
            command.encode(into: &writer)
        case .http(let port, let path):
            writer.write(UInt8(1))
            writer.write(port)
            writer.writeLengthPrefixed(path)
        case .tcp(let port):
            writer.write(UInt8(2))
            writer.write(port)
        }
    }

    init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        let start = reader.offset
        switch try reader.read(UInt8.self) {
        case 0: self = .command(try TaskCommand(from: &reader))
        case 1: self = .http(port: try reader.read(), path: try reader.readText())
        case 2: self = .tcp(port: try reader.read())
        default: throw .invalid(field: "probe", offset: start)
        }
    }
}

extension ProbeTiming {
    func encode(into writer: inout ByteWriter) {
        writer.write(delay)
        writer.write(interval)
        writer.write(timeout)
    }

    init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        self.init()
        delay = try reader.read()
        interval = try reader.read()
        timeout = try reader.read()
    }
}
