internal import Scheduling
package import StateMachine

/// A definition as an app's JSON, with every field that Marathon's clients look for. Some of them
/// refuse a field that they do not know: those of Marathon's last versions are left out.
package enum MarathonAppEncoder {
    package static func encode(_ definition: ServiceDefinition) -> MarathonJSON {
        var app = MarathonJSON.object(
            ("id", .text(definition.id.path.text)),
            ("acceptedResourceRoles", texts(definition.acceptedRoles)),
            ("args", definition.arguments.map { texts($0) } ?? .null),
            ("backoffFactor", MarathonJSON(thousandths: Int64(definition.backoffFactor))),
            ("backoffSeconds", MarathonJSON(seconds: definition.backoffMilliseconds)),
            ("cmd", definition.command.map { .text($0.text) } ?? .null),
            ("constraints", .list(definition.constraints.map { constraint($0) })),
            ("container", .null),
            ("cpus", MarathonJSON(thousandths: definition.cpus)),
            ("dependencies", texts(definition.dependencies.map(\.path))),
            ("disk", MarathonJSON(thousandths: definition.disk)),
            ("env", pairs(definition.environment)),
            ("executor", ""),
            ("fetch", .list(definition.artifacts.map { artifact($0) })),
            ("gpus", MarathonJSON(thousandths: definition.gpus)),
            ("healthChecks", .list(definition.healthChecks.map { healthCheck($0) })),
            ("instances", .integer(Int64(definition.instances))),
            ("killSelection", killSelection(definition.killSelection)),
            ("labels", pairs(definition.labels)),
            ("maxLaunchDelaySeconds", MarathonJSON(seconds: definition.backoffMaxMilliseconds)))
        appendRest(of: definition, to: &app)
        return app
    }

    private static func appendRest(
        of definition: ServiceDefinition, to app: inout MarathonJSON
    ) {
        app.append("mem", MarathonJSON(thousandths: definition.mem))
        app.append("networks", .list([.object(("mode", "host"))]))
        app.append("portDefinitions", .list(definition.ports.map { port($0) }))
        app.append("ports", .list(definition.ports.map { .integer(Int64($0.number)) }))
        app.append("readinessChecks", .list(definition.readinessChecks.map { readiness($0) }))
        app.append("requirePorts", .bool(definition.requiresPorts))
        app.append("role", .text(definition.role.text))
        app.append("secrets", .object([]))
        app.append("storeUrls", [])
        app.append(
            "taskKillGracePeriodSeconds",
            definition.killGraceMilliseconds.map { MarathonJSON(seconds: $0) })
        app.append("unreachableStrategy", unreachable(definition.unreachable))
        app.append(
            "upgradeStrategy",
            .object(
                (
                    "maximumOverCapacity",
                    MarathonJSON(thousandths: Int64(definition.maximumOverCapacity))
                ),
                (
                    "minimumHealthCapacity",
                    MarathonJSON(thousandths: Int64(definition.minimumHealthCapacity))
                )))
        app.append("uris", texts(definition.artifacts.map(\.uri)))
        app.append("user", definition.user.map { .text($0.text) } ?? .null)
    }

    static func texts(_ texts: [ByteText]) -> MarathonJSON {
        .list(texts.map { .text($0.text) })
    }

    private static func pairs(_ pairs: [ServiceDefinition.Pair]) -> MarathonJSON {
        .object(pairs.map { MarathonJSON.Member($0.name.text, .text($0.value.text)) })
    }

    private static func constraint(
        _ constraint: ServiceDefinition.Constraint
    ) -> MarathonJSON {
        var elements: [MarathonJSON] = [
            .text(constraint.field.text), .text(constraint.test.marathonName),
        ]
        if let value = constraint.value { elements.append(.text(value.text)) }
        return .list(elements)
    }

    private static func artifact(_ artifact: ServiceDefinition.Artifact) -> MarathonJSON {
        var json = MarathonJSON.object(
            ("uri", .text(artifact.uri.text)), ("extract", .bool(artifact.isExtracted)),
            ("executable", .bool(artifact.isExecutable)), ("cache", .bool(artifact.isCached)))
        if !artifact.outputFile.isEmpty {
            json.append("destPath", .text(artifact.outputFile.text))
        }
        return json
    }

    private static func port(_ port: ServiceDefinition.Port) -> MarathonJSON {
        var json = MarathonJSON.object(
            ("port", .integer(Int64(port.number))),
            ("protocol", .text(port.networkProtocol.text)), ("labels", pairs(port.labels)))
        if !port.name.isEmpty { json.append("name", .text(port.name.text)) }
        return json
    }

    static func healthCheck(_ check: ServiceDefinition.HealthCheck) -> MarathonJSON {
        var json = MarathonJSON.object(
            ("protocol", .text(check.marathonName)),
            ("gracePeriodSeconds", MarathonJSON(seconds: check.graceMilliseconds)),
            ("intervalSeconds", MarathonJSON(seconds: check.intervalMilliseconds)),
            ("timeoutSeconds", MarathonJSON(seconds: check.timeoutMilliseconds)),
            ("delaySeconds", MarathonJSON(seconds: check.delayMilliseconds)),
            ("maxConsecutiveFailures", .integer(Int64(check.failuresMax))))
        switch check.kind {
        case .command:
            json.append("command", .object(("value", .text(check.command.text))))
            return json
        case .http, .https: json.append("path", .text(check.path.text))
        case .tcp: break
        }
        if let port = check.port {
            json.append("port", .integer(Int64(port)))
        } else {
            json.append("portIndex", .integer(Int64(check.portIndex)))
        }
        return json
    }

    private static func readiness(_ check: ServiceDefinition.ReadinessCheck) -> MarathonJSON {
        .object(
            ("name", .text(check.name.text)), ("protocol", check.isHTTPS ? "HTTPS" : "HTTP"),
            ("path", .text(check.path.text)), ("portName", .text(check.portName.text)),
            ("intervalSeconds", MarathonJSON(seconds: check.intervalMilliseconds)),
            ("timeoutSeconds", MarathonJSON(seconds: check.timeoutMilliseconds)),
            (
                "httpStatusCodesForReady",
                .list(check.readyCodes.map { .integer(Int64($0)) })
            ), ("preserveLastResponse", .bool(check.preservesLastResponse)))
    }

    private static func killSelection(
        _ selection: ServiceDefinition.KillSelection
    ) -> MarathonJSON {
        switch selection {
        case .youngestFirst: "YOUNGEST_FIRST"
        case .oldestFirst: "OLDEST_FIRST"
        }
    }

    private static func unreachable(
        _ strategy: ServiceDefinition.UnreachableStrategy
    ) -> MarathonJSON {
        switch strategy {
        case .disabled: "disabled"
        case .replaced(let inactiveAfter, let expungeAfter):
            .object(
                ("inactiveAfterSeconds", MarathonJSON(seconds: inactiveAfter)),
                ("expungeAfterSeconds", MarathonJSON(seconds: expungeAfter)))
        }
    }
}
