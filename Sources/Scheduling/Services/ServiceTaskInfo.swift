internal import Primitives
package import StateMachine

/// What an agent is told of an instance: a mesos.v1.TaskInfo. Field numbers are those of
/// Proto/mesos/v1.
package struct ServiceTaskInfo: Sendable {
    package var instance: InstanceRecord
    package var definition: ServiceDefinition
    package var agent: AgentID
    package var hostname: ByteText
    package var resources: Resources
    /// In the order of the definition's.
    package var ports: [UInt16]

    package init(
        instance: InstanceRecord, definition: ServiceDefinition, agent: AgentID,
        hostname: ByteText, resources: Resources, ports: [UInt16]
    ) {
        self.instance = instance
        self.definition = definition
        self.agent = agent
        self.hostname = hostname
        self.resources = resources
        self.ports = ports
    }

    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 1_024)
        writer.part(1, name.utf8)
        writer.part(2) { $0.part(1, instance.id.rawValue.text.utf8) }
        writer.part(3) { $0.part(1, agent.rawValue.text.utf8) }
        for entry in resources.entries { writer.part(4) { encode(entry, &$0) } }
        writer.part(7) { encodeCommand(&$0) }
        if let check = definition.healthChecks.first {
            writer.part(8) { encode(check, &$0) }
        }
        writer.part(10) { labels in
            for label in definition.labels {
                labels.part(1) {
                    $0.part(1, label.name.text.utf8)
                    $0.part(2, label.value.text.utf8)
                }
            }
        }
        writer.part(11) { encodeDiscovery(&$0) }
        if let grace = definition.killGraceMilliseconds {
            writer.part(12) { policy in policy.part(1) { $0.number(1, grace * 1_000_000) } }
        }
        if let check = definition.readinessChecks.first {
            writer.part(13) { encode(check, &$0) }
        }
        return writer.bytes
    }

    /// `web.prod`, as discovery has it.
    private var name: String {
        definition.id.path.text.split(separator: "/").reversed().joined(separator: ".")
    }

    private func encode(_ entry: ResourceEntry, _ writer: inout ProtobufWriter) {
        writer.part(1, entry.name.text.utf8)
        switch entry.value {
        case .scalar(let amount):
            writer.number(2, 0)
            writer.part(3) { $0.double(1, Double(amount) / 1_000) }
        case .ranges(let ranges):
            writer.number(2, 1)
            writer.part(4) { list in
                for range in ranges.ranges {
                    list.part(1) {
                        $0.number(1, range.lowerBound)
                        $0.number(2, range.upperBound)
                    }
                }
            }
        case .items(let items):
            writer.number(2, 2)
            writer.part(5) { list in
                for item in items { list.part(1, item.text.utf8) }
            }
        }
        for reservation in entry.reservations {
            writer.part(13) { $0.part(3, reservation.role.text.utf8) }
        }
    }

    private func encodeCommand(_ writer: inout ProtobufWriter) {
        for artifact in definition.artifacts {
            writer.part(1) {
                $0.part(1, artifact.uri.text.utf8)
                $0.number(2, artifact.isExecutable ? 1 : 0)
                $0.number(3, artifact.isExtracted ? 1 : 0)
                $0.number(4, artifact.isCached ? 1 : 0)
                if !artifact.outputFile.isEmpty { $0.part(5, artifact.outputFile.text.utf8) }
            }
        }
        writer.part(2) { list in
            for variable in environment {
                list.part(1) {
                    $0.part(1, variable.name.text.utf8)
                    $0.part(2, variable.value.text.utf8)
                }
            }
        }
        let program = definition.command ?? definition.arguments?.first
        if let program { writer.part(3, program.text.utf8) }
        if let user = definition.user { writer.part(5, user.text.utf8) }
        writer.number(6, definition.command == nil ? 0 : 1)
        for argument in definition.arguments ?? [] { writer.part(7, argument.text.utf8) }
    }

    private func encode(
        _ check: ServiceDefinition.HealthCheck, _ writer: inout ProtobufWriter
    ) {
        let index = Int(check.portIndex)
        let port = check.port ?? (index < ports.count ? ports[index] : 0)
        switch check.kind {
        case .http, .https:
            writer.part(1) {
                $0.number(1, UInt64(port))
                $0.part(2, check.path.text.utf8)
                $0.part(3, (check.kind == .https ? "https" : "http").utf8)
            }
            writer.number(8, 2)
        case .command:
            writer.part(7) {
                $0.part(3, check.command.text.utf8)
                $0.number(6, 1)
            }
            writer.number(8, 1)
        case .tcp:
            writer.part(9) { $0.number(1, UInt64(port)) }
            writer.number(8, 3)
        }
        writer.double(2, Double(check.delayMilliseconds) / 1_000)
        writer.double(3, Double(check.intervalMilliseconds) / 1_000)
        writer.double(4, Double(check.timeoutMilliseconds) / 1_000)
        writer.number(5, UInt64(check.failuresMax))
        writer.double(6, Double(check.graceMilliseconds) / 1_000)
    }

    private func encode(
        _ check: ServiceDefinition.ReadinessCheck, _ writer: inout ProtobufWriter
    ) {
        let index = definition.ports.firstIndex { $0.name == check.portName } ?? 0
        writer.number(1, 2)
        writer.part(3) {
            $0.number(1, UInt64(index < ports.count ? ports[index] : 0))
            $0.part(2, check.path.text.utf8)
        }
        writer.double(4, 0)
        writer.double(5, Double(check.intervalMilliseconds) / 1_000)
        writer.double(6, Double(check.timeoutMilliseconds) / 1_000)
    }

    private func encodeDiscovery(_ writer: inout ProtobufWriter) {
        writer.number(1, 0)
        writer.part(2, name.utf8)
        writer.part(6) { list in
            for (number, port) in zip(ports, definition.ports) {
                list.part(1) { part in
                    part.number(1, UInt64(number))
                    if !port.name.isEmpty { part.part(2, port.name.text.utf8) }
                    part.part(3, port.networkProtocol.text.utf8)
                    part.part(5) { labels in
                        for label in port.labels {
                            labels.part(1) {
                                $0.part(1, label.name.text.utf8)
                                $0.part(2, label.value.text.utf8)
                            }
                        }
                    }
                }
            }
        }
    }

    // MARK: - Environment

    /// Marathon's variables, then the definition's, which win where names are the same.
    package var environment: [ServiceDefinition.Pair] {
        var found: [ServiceDefinition.Pair] = []
        func add(_ name: String, _ value: String) {
            found.append(.init(ByteText(name), ByteText(value)))
        }
        add("MESOS_TASK_ID", instance.id.description)
        add("MARATHON_APP_ID", definition.id.path.text)
        add("MARATHON_APP_VERSION", ServiceTimestamp.text(instance.version))
        add("MARATHON_APP_RESOURCE_CPUS", Thousandths.text(definition.cpus))
        add("MARATHON_APP_RESOURCE_MEM", Thousandths.text(definition.mem))
        add("MARATHON_APP_RESOURCE_DISK", Thousandths.text(definition.disk))
        add("MARATHON_APP_RESOURCE_GPUS", Thousandths.text(definition.gpus))
        let labels = labelsOfEnvironment
        add("MARATHON_APP_LABELS", labels.map { Self.variable($0.name) }.joined(separator: " "))
        for label in labels {
            add("MARATHON_APP_LABEL_" + Self.variable(label.name), label.value.text)
        }
        add("HOST", hostname.text)
        if let first = ports.first { add("PORT", "\(first)") }
        for (place, port) in ports.enumerated() { add("PORT\(place)", "\(port)") }
        if !ports.isEmpty { add("PORTS", ports.map { "\($0)" }.joined(separator: ",")) }
        for (number, port) in zip(ports, definition.ports) where !port.name.isEmpty {
            add("PORT_" + Self.variable(port.name), "\(number)")
        }
        let own = Set(definition.environment.map(\.name))
        return found.filter { !own.contains($0.name) } + definition.environment
    }

    /// Marathon leaves out what is longer than 512 bytes, too. All together are bounded, so that no
    /// definition makes a task of more bytes than a launch may have.
    private var labelsOfEnvironment: [ServiceDefinition.Pair] {
        var left = Self.labelBytesMax
        return definition.labels.filter { label in
            let (name, value) = (label.name.byteCount, label.value.byteCount)
            guard name <= Self.labelPartBytesMax, value <= Self.labelPartBytesMax,
                2 * name + value <= left
            else { return false }
            left -= 2 * name + value
            return true
        }
    }

    private static let labelPartBytesMax = 512
    private static let labelBytesMax = 64 << 10

    /// Upper case, and an underscore for what no name of a variable has.
    private static func variable(_ name: ByteText) -> String {
        let bytes = name.text.utf8.map { byte -> UInt8 in
            switch byte {
            case 0x61...0x7A: byte - 0x20
            case 0x41...0x5A, 0x30...0x39: byte
            default: 0x5F
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

// Required fields are written whatever they are: these messages are proto2.
extension ProtobufWriter {
    fileprivate mutating func part(_ number: UInt32, _ text: String.UTF8View) {
        tag(number, .lengthDelimited)
        varint(UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    fileprivate mutating func part(_ number: UInt32, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        tag(number, .lengthDelimited)
        varint(UInt64(inner.bytes.count))
        bytes.append(contentsOf: inner.bytes)
    }

    fileprivate mutating func number(_ number: UInt32, _ value: UInt64) {
        tag(number, .varint)
        varint(value)
    }

    fileprivate mutating func double(_ number: UInt32, _ value: Double) {
        tag(number, .fixed64)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
