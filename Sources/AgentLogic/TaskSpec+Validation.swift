extension TaskSpec {
    /// Why this task cannot be run by anybody, or nil. Paths and sizes only: whether the machine
    /// can run it shows when it is started.
    package var fault: AgentError? {
        if let fault = command.fault("command") { return fault }
        if environment.count > AgentLimits.environmentMax {
            return .limit(
                what: "environment variables", value: UInt64(environment.count),
                max: UInt64(AgentLimits.environmentMax))
        }
        for variable in environment {
            if variable.name.isEmpty || variable.name.utf8.contains(UInt8(ascii: "=")) {
                return .invalid(field: "environment", why: "a name is empty or contains '='")
            }
            if hasNull(variable.name) || hasNull(variable.value) {
                return .invalid(field: "environment", why: "a variable contains a zero byte")
            }
        }
        if let user, user.isEmpty || hasNull(user) || user.utf8.contains(UInt8(ascii: "/")) {
            return .invalid(field: "user", why: "it is no name of a user")
        }
        if killGraceMillis > AgentLimits.durationMillisMax {
            return .limit(
                what: "kill grace in milliseconds", value: killGraceMillis,
                max: AgentLimits.durationMillisMax)
        }
        return listFault ?? uriFault ?? probeFault ?? sizeFault
    }

    private var listFault: AgentError? {
        let counts = [
            ("labels", labels.count, AgentLimits.labelsMax),
            ("URIs", uris.count, AgentLimits.urisMax),
            ("port ranges", resources.ports.count, AgentLimits.portRangesMax),
        ]
        for (what, count, limit) in counts where count > limit {
            return .limit(what: what, value: UInt64(count), max: UInt64(limit))
        }
        for range in resources.ports where range.first > range.last {
            return .invalid(field: "ports", why: "\(range.first) is behind \(range.last)")
        }
        return nil
    }

    private var uriFault: AgentError? {
        for uri in uris {
            if uri.value.isEmpty || hasNull(uri.value) {
                return .invalid(field: "URI", why: "it is empty or contains a zero byte")
            }
            do {
                _ = try uri.destination
            } catch {
                return error
            }
        }
        return nil
    }

    private var probeFault: AgentError? {
        if let healthCheck {
            if let fault = healthCheck.probe.fault ?? healthCheck.timing.fault { return fault }
            if healthCheck.gracePeriod > AgentLimits.durationMillisMax {
                return .limit(
                    what: "grace period in milliseconds", value: healthCheck.gracePeriod,
                    max: AgentLimits.durationMillisMax)
            }
        }
        if let check { return check.probe.fault ?? check.timing.fault }
        return nil
    }

    private var sizeFault: AgentError? {
        let size = encoded().count
        guard size > AgentLimits.specBytesMax else { return nil }
        return .limit(
            what: "bytes of the task", value: UInt64(size), max: UInt64(AgentLimits.specBytesMax))
    }
}

private func hasNull(_ text: String) -> Bool { text.utf8.contains(0) }

extension TaskCommand {
    func fault(_ field: String) -> AgentError? {
        switch self {
        case .shell(let script):
            if script.isEmpty { return .invalid(field: field, why: "it is empty") }
            if hasNull(script) { return .invalid(field: field, why: "it contains a zero byte") }
        case .program(let path, let arguments):
            if path.isEmpty { return .invalid(field: field, why: "the program has no name") }
            if hasNull(path) || arguments.contains(where: hasNull) {
                return .invalid(field: field, why: "it contains a zero byte")
            }
            if arguments.count > AgentLimits.argumentsMax {
                return .limit(
                    what: "arguments", value: UInt64(arguments.count),
                    max: UInt64(AgentLimits.argumentsMax))
            }
        }
        return nil
    }
}

extension Probe {
    var fault: AgentError? {
        switch self {
        case .command(let command): return command.fault("check")
        case .tcp(let port):
            return port == 0 ? .invalid(field: "check", why: "port 0 is nobody's") : nil
        case .http(let port, let path):
            if port == 0 { return .invalid(field: "check", why: "port 0 is nobody's") }
            let isPlain = path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            if !isPlain || !path.hasPrefix("/") {
                return .invalid(field: "check", why: "the path does not fit a request line")
            }
            return nil
        }
    }
}

extension ProbeTiming {
    var fault: AgentError? {
        for value in [delay, interval, timeout] where value > AgentLimits.durationMillisMax {
            return .limit(
                what: "milliseconds of a check", value: value, max: AgentLimits.durationMillisMax)
        }
        if interval < Self.intervalMin || timeout == 0 {
            return .invalid(
                field: "check", why: "an interval below \(Self.intervalMin) ms or no timeout")
        }
        return nil
    }
}

extension TaskURI {
    /// Where it goes, as components below the sandbox.
    /// - Throws: ``AgentError/invalid(field:why:)`` when that would be elsewhere.
    package var destination: [String] {
        get throws(AgentError) {
            let chosen = outputFile ?? Self.lastComponent(of: value)
            var components: [String] = []
            for part in chosen.utf8.split(
                separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            {
                let component = try Identifier<TaskKind>(String(Substring(part)))
                components.append(component.text)
            }
            if ["stdout", "stderr"].contains(components[0]) {
                throw .invalid(field: "URI", why: "\(components[0]) is the task's own output")
            }
            return components
        }
    }

    private static func lastComponent(of value: String) -> String {
        let path = value.prefix { $0 != "?" && $0 != "#" }
        return String(path.split(separator: "/").last ?? "")
    }
}
