package import StateMachine

/// Reads an app's JSON into a definition, with Marathon's defaults, or says field by field what it
/// cannot be.
package struct MarathonAppDecoder {
    private var fields: MarathonFields
    private var definition: ServiceDefinition

    /// - Parameters:
    ///   - json: the app.
    ///   - id: of the path that it was sent to; nil: it names itself.
    ///   - base: what it changes; nil: it is all there is.
    ///   - group: that names without a slash are in.
    ///   - path: of the app in the body, for messages.
    /// - Throws: ``MarathonRefusal`` with status 422.
    package static func decode(
        _ json: MarathonJSON, id: ServiceID? = nil, over base: ServiceDefinition? = nil,
        in group: ServiceID = .root, path: String = ""
    ) throws(MarathonRefusal) -> ServiceDefinition {
        let (definition, problems) = read(json, id: id, over: base, in: group, path: path)
        if !problems.isEmpty { throw MarathonRefusal(problems: problems) }
        return definition
    }

    static func read(
        _ json: MarathonJSON, id: ServiceID?, over base: ServiceDefinition?, in group: ServiceID,
        path: String
    ) -> (ServiceDefinition, [ServiceProblem]) {
        var decoder = MarathonAppDecoder(
            fields: MarathonFields(json, path: path),
            definition: base ?? ServiceDefinition(id: id ?? .root))
        decoder.readName(id, in: group)
        decoder.readProgram()
        decoder.readResources()
        decoder.readPorts()
        decoder.readConstraints()
        decoder.readHealth()
        decoder.readBehaviour()
        decoder.refuseUnserved()
        var problems = decoder.fields.problems
        if problems.isEmpty {
            problems = decoder.definition.problems.map {
                ServiceProblem(path + $0.path, $0.message)
            }
        }
        return (decoder.definition, problems)
    }

    private mutating func readName(_ id: ServiceID?, in group: ServiceID) {
        guard let text = fields.text("id") else {
            if id == nil { fields.refuse("id", "error.path.missing") }
            return
        }
        let own = MarathonPath.resolve(text.text, in: group)
        if let id, own != id {
            fields.refuse("id", "'\(own)' is not the app that was asked for, '\(id)'")
        }
        definition.id = own
    }

    private mutating func readProgram() {
        // Of the two, the one that is sent takes the other's place.
        if let command = fields.text("cmd") {
            definition.command = command
            if !fields.has("args") { definition.arguments = nil }
        }
        if let arguments = fields.texts("args"), !arguments.isEmpty {
            definition.arguments = arguments
            if fields.value("cmd") == nil { definition.command = nil }
        }
        if definition.command == nil, definition.arguments == nil {
            fields.refuse(
                "",
                "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.")
        }
        if let environment = fields.pairs("env") { definition.environment = environment }
        if let labels = fields.pairs("labels") { definition.labels = labels }
        if let user = fields.text("user") { definition.user = user.isEmpty ? nil : user }
        if let role = fields.text("role") {
            definition.role = role
            if (try? role.validateRole()) == nil { fields.refuse("/role", "is not a valid role") }
        }
        if let roles = fields.texts("acceptedResourceRoles") { definition.acceptedRoles = roles }
        if let uris = fields.texts("uris"), !uris.isEmpty || !fields.has("fetch") {
            definition.artifacts = uris.map { ServiceDefinition.Artifact(uri: $0) }
        }
        guard let artifacts = fields.objects("fetch"), !artifacts.isEmpty || !fields.has("uris")
        else { return }
        definition.artifacts = artifacts.map { artifact in
            var artifact = artifact
            var found = ServiceDefinition.Artifact(uri: artifact.text("uri") ?? "")
            found.isExtracted = artifact.flag("extract") ?? true
            found.isExecutable = artifact.flag("executable") ?? false
            found.isCached = artifact.flag("cache") ?? false
            found.outputFile = artifact.text("destPath") ?? artifact.text("outputFile") ?? ""
            fields.take(artifact.problems)
            return found
        }
    }

    private mutating func readResources() {
        if let cpus = fields.thousandths("cpus") { definition.cpus = cpus }
        if let mem = fields.thousandths("mem") { definition.mem = mem }
        if let disk = fields.thousandths("disk") { definition.disk = disk }
        if let gpus = fields.thousandths("gpus") { definition.gpus = gpus }
        if let instances = fields.count("instances", max: UInt64(ServiceLimits.instancesMax)) {
            definition.instances = UInt32(instances)
        }
    }

    private mutating func readPorts() {
        if let required = fields.flag("requirePorts") { definition.requiresPorts = required }
        if let ports = fields.objects("portDefinitions"), !ports.isEmpty || !fields.has("ports") {
            definition.ports = ports.map { port in
                var port = port
                let number = port.count("port", max: 65_535) ?? 0
                var found = ServiceDefinition.Port(UInt16(number))
                found.name = port.text("name") ?? ""
                found.networkProtocol = port.text("protocol") ?? "tcp"
                found.labels = port.pairs("labels") ?? []
                fields.take(port.problems)
                return found
            }
            return
        }
        guard let ports = fields.list("ports"),
            !ports.isEmpty || !fields.has("portDefinitions")
        else { return }
        definition.ports = []
        for (place, port) in ports.enumerated() {
            guard case .integer(let number) = port, (0...65_535).contains(number) else {
                fields.refuse("ports(\(place))", "must be a port, from 0 to 65535")
                continue
            }
            definition.ports.append(ServiceDefinition.Port(UInt16(number)))
        }
    }

    private mutating func readConstraints() {
        guard let constraints = fields.list("constraints") else { return }
        definition.constraints = []
        for (place, constraint) in constraints.enumerated() {
            let name = "constraints(\(place))"
            guard case .list(let elements) = constraint, (2...3).contains(elements.count) else {
                fields.refuse(name, "must be a list of a field, an operator and perhaps a value")
                continue
            }
            let texts = elements.compactMap { element -> String? in
                switch element {
                case .text(let text): text
                case .integer(let number): String(number)
                case .null, .bool, .decimal, .list, .object: nil
                }
            }
            guard texts.count == elements.count else {
                fields.refuse(name, "error.expected.jsstring")
                continue
            }
            guard let test = ServiceDefinition.Operator(marathon: texts[1]) else {
                fields.refuse(
                    name,
                    "Invalid operator '\(texts[1])': UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, "
                        + "MAX_PER or IS")
                continue
            }
            definition.constraints.append(
                ServiceDefinition.Constraint(
                    ByteText(texts[0]), test, texts.count == 3 ? ByteText(texts[2]) : nil))
        }
    }

    private mutating func readHealth() {
        if let checks = fields.objects("healthChecks") {
            definition.healthChecks = checks.compactMap { healthCheck($0) }
        }
        guard let checks = fields.objects("readinessChecks") else { return }
        definition.readinessChecks = checks.map { check in
            var check = check
            var found = ServiceDefinition.ReadinessCheck()
            found.name = check.text("name") ?? found.name
            found.isHTTPS = check.text("protocol") == "HTTPS"
            found.path = check.text("path") ?? found.path
            found.portName = check.text("portName") ?? found.portName
            found.intervalMilliseconds = check.span("intervalSeconds") ?? 30_000
            found.timeoutMilliseconds = check.span("timeoutSeconds") ?? 10_000
            found.preservesLastResponse = check.flag("preserveLastResponse") ?? false
            if let codes = check.list("httpStatusCodesForReady") {
                found.readyCodes = codes.compactMap { code in
                    if case .integer(let number) = code { return UInt16(exactly: number) }
                    return nil
                }
            }
            fields.take(check.problems)
            return found
        }
    }

    private mutating func healthCheck(
        _ check: MarathonFields
    ) -> ServiceDefinition.HealthCheck? {
        var check = check
        let text = check.text("protocol")?.text ?? "HTTP"
        guard let kind = ServiceDefinition.HealthCheck.Kind(marathon: text) else {
            check.refuse("protocol", "Unknown protocol '\(text)'")
            fields.take(check.problems)
            return nil
        }
        var found = ServiceDefinition.HealthCheck(kind)
        found.isOlderName = ["HTTP", "HTTPS", "TCP"].contains(text)
        found.path = check.text("path") ?? "/"
        if let port = check.count("port", max: 65_535) { found.port = UInt16(port) }
        found.portIndex = UInt16(check.count("portIndex", max: 65_535) ?? 0)
        if var command = check.object("command") {
            found.command = command.text("value") ?? ""
            check.take(command.problems)
        }
        found.graceMilliseconds = check.span("gracePeriodSeconds") ?? 300_000
        found.intervalMilliseconds = check.span("intervalSeconds") ?? 60_000
        found.timeoutMilliseconds = check.span("timeoutSeconds") ?? 20_000
        found.delayMilliseconds = check.span("delaySeconds") ?? 15_000
        found.failuresMax = UInt32(
            check.count("maxConsecutiveFailures", max: UInt64(UInt32.max)) ?? 3)
        fields.take(check.problems)
        return found
    }

    private mutating func readBehaviour() {
        if var strategy = fields.object("upgradeStrategy") {
            definition.minimumHealthCapacity = UInt32(
                clamping: strategy.thousandths("minimumHealthCapacity") ?? 1_000)
            definition.maximumOverCapacity = UInt32(
                clamping: strategy.thousandths("maximumOverCapacity") ?? 1_000)
            fields.take(strategy.problems)
        }
        if let span = fields.span("backoffSeconds") { definition.backoffMilliseconds = span }
        if let factor = fields.thousandths("backoffFactor") {
            definition.backoffFactor = UInt32(clamping: factor)
        }
        if let span = fields.span("maxLaunchDelaySeconds") {
            definition.backoffMaxMilliseconds = span
        }
        if let span = fields.span("taskKillGracePeriodSeconds") {
            definition.killGraceMilliseconds = span
        }
        switch fields.text("killSelection") {
        case nil: break
        case "YOUNGEST_FIRST": definition.killSelection = .youngestFirst
        case "OLDEST_FIRST": definition.killSelection = .oldestFirst
        case let other?:
            fields.refuse("killSelection", "'\(other)' is not YOUNGEST_FIRST or OLDEST_FIRST")
        }
        if let dependencies = fields.texts("dependencies") {
            let group = definition.id.parent ?? .root
            definition.dependencies = dependencies.map {
                MarathonPath.resolve($0.text, in: group)
            }
        }
        readUnreachableStrategy()
    }

    private mutating func readUnreachableStrategy() {
        guard let value = fields.value("unreachableStrategy") else { return }
        if value == "disabled" {
            definition.unreachable = .disabled
            return
        }
        guard var strategy = fields.object("unreachableStrategy") else { return }
        definition.unreachable = .replaced(
            inactiveAfter: strategy.span("inactiveAfterSeconds") ?? 0,
            expungeAfter: strategy.span("expungeAfterSeconds") ?? 0)
        fields.take(strategy.problems)
    }

    /// What would be promised and not kept.
    private mutating func refuseUnserved() {
        if let container = fields.value("container"), container != .object([]) {
            fields.refuse("container", "is not supported: tasks run as processes of their agent")
        }
        for name in ["secrets", "residency", "ipAddress"] {
            if let value = fields.value(name), value != .object([]) {
                fields.refuse(name, "is not supported")
            }
        }
        if let executor = fields.text("executor"), !executor.isEmpty, executor != "//cmd" {
            fields.refuse("executor", "is not supported")
        }
        for network in fields.objects("networks") ?? [] {
            var network = network
            if let mode = network.text("mode"), mode != "host" {
                network.refuse("mode", "'\(mode)' is not supported: only 'host'")
            }
            fields.take(network.problems)
        }
    }
}

extension ServiceDefinition.Operator {
    package init?(marathon text: String) {
        guard let found = Self.allCases.first(where: { $0.marathonName == text }) else {
            return nil
        }
        self = found
    }

    package var marathonName: String {
        switch self {
        case .unique: "UNIQUE"
        case .cluster: "CLUSTER"
        case .groupBy: "GROUP_BY"
        case .like: "LIKE"
        case .unlike: "UNLIKE"
        case .maxPer: "MAX_PER"
        case .equal: "IS"
        }
    }
}

extension ServiceDefinition.HealthCheck.Kind {
    init?(marathon text: String) {
        switch text {
        case "COMMAND": self = .command
        case "HTTP", "MESOS_HTTP": self = .http
        case "HTTPS", "MESOS_HTTPS": self = .https
        case "TCP", "MESOS_TCP": self = .tcp
        default: return nil
        }
    }
}

extension ServiceDefinition.HealthCheck {
    var marathonName: String {
        switch kind {
        case .command: "COMMAND"
        case .http: isOlderName ? "HTTP" : "MESOS_HTTP"
        case .https: isOlderName ? "HTTPS" : "MESOS_HTTPS"
        case .tcp: isOlderName ? "TCP" : "MESOS_TCP"
        }
    }
}
