/// What is wrong with a field of a definition, in Marathon's words where it has some.
package struct ServiceProblem: Equatable, Sendable {
    /// Of the field in the definition's JSON: `/constraints(0)`.
    package var path: String
    package var message: String

    package init(_ path: String, _ message: String) {
        self.path = path
        self.message = message
    }
}

extension ServiceDefinition {
    /// What makes it one that cannot be; empty for one that can. The rules at apply, and what
    /// clients are told.
    package var problems: [ServiceProblem] {
        var found = ServiceProblems()
        found.check(id.isValid, "/id", "must be a path of lower-case letters, digits, '-' and '.'")
        checkAmounts(&found)
        checkProgram(&found)
        checkPorts(&found)
        checkConstraints(&found)
        checkHealth(&found)
        checkBehaviour(&found)
        checkDependencies(&found)
        let bytes = encode().count
        found.check(
            bytes <= ServiceLimits.definitionBytesMax, "/",
            "has \(bytes) bytes, the limit is \(ServiceLimits.definitionBytesMax)")
        return found.problems
    }

    private func checkAmounts(_ found: inout ServiceProblems) {
        let max = ResourceLimits.amountMax
        found.check(cpus > 0 && cpus <= max, "/cpus", "error.expected.greater.than.zero")
        for (path, amount) in [("/mem", mem), ("/disk", disk), ("/gpus", gpus)] {
            found.check(amount >= 0 && amount <= max, path, "must be greater than or equal to 0")
        }
        found.check(
            instances <= ServiceLimits.instancesMax, "/instances",
            "must be less than or equal to \(ServiceLimits.instancesMax)")
    }

    private func checkProgram(_ found: inout ServiceProblems) {
        found.check(
            command == nil || arguments == nil, "/",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.")
        found.check(
            command.map { !$0.isEmpty } ?? true, "/cmd", "must not be empty")
        found.list(arguments?.count ?? 0, "/args", max: ServiceLimits.pairsMax)
        found.list(environment.count, "/env", max: ServiceLimits.pairsMax)
        found.list(labels.count, "/labels", max: ServiceLimits.pairsMax)
        found.list(artifacts.count, "/fetch")
        for (place, artifact) in artifacts.enumerated() {
            found.check(!artifact.uri.isEmpty, "/fetch(\(place))/uri", "must not be empty")
        }
        for pair in environment where pair.name.isEmpty || pair.name.text.utf8.contains(0x3D) {
            found.check(false, "/env", "'\(pair.name)' is no name of a variable")
        }
        found.check(
            !role.isEmpty && role.text.utf8.count <= ResourceLimits.roleBytesMax, "/role",
            "is not a valid role")
        found.list(acceptedRoles.count, "/acceptedResourceRoles")
    }

    private func checkPorts(_ found: inout ServiceProblems) {
        found.list(ports.count, "/portDefinitions")
        var numbers: [UInt16] = []
        var names: [ByteText] = []
        for (place, port) in ports.enumerated() {
            let path = "/portDefinitions(\(place))"
            found.check(
                port.number == 0 || !numbers.contains(port.number), "/portDefinitions",
                "Ports must be unique.")
            found.check(
                port.name.isEmpty || !names.contains(port.name), "/portDefinitions",
                "Port names must be unique.")
            found.check(
                ["tcp", "udp", "udp,tcp"].contains(port.networkProtocol), path + "/protocol",
                "must be one of tcp, udp or udp,tcp")
            numbers.append(port.number)
            names.append(port.name)
        }
    }

    private func checkConstraints(_ found: inout ServiceProblems) {
        found.list(constraints.count, "/constraints")
        for (place, constraint) in constraints.enumerated() {
            let path = "/constraints(\(place))"
            found.check(!constraint.field.isEmpty, path, "Missing field")
            let value = constraint.value
            let number = value.flatMap { UInt32($0.text) }
            switch constraint.test {
            case .unique: found.check(value == nil, path, "Value specified but not used")
            case .cluster: break
            case .groupBy:
                found.check(
                    value == nil || number != nil, path,
                    "Value was specified but is not a number")
            case .maxPer:
                found.check(
                    number.map { $0 > 0 } ?? false, path,
                    "Value was specified but is not a number")
            case .like, .unlike:
                found.check(
                    value.flatMap { TextPattern($0) } != nil, path,
                    "A regular expression value must be provided")
            case .equal: found.check(value != nil, path, "A value must be provided")
            }
        }
    }

    private func checkHealth(_ found: inout ServiceProblems) {
        found.list(healthChecks.count, "/healthChecks")
        // An agent runs one check a task (mesos.v1.TaskInfo.health_check).
        found.check(
            healthChecks.count <= 1, "/healthChecks",
            "Mesos health checks: at most one may be defined per task")
        found.check(
            readinessChecks.count <= 1, "/readinessChecks",
            "Currently at most one readiness check is supported.")
        for (place, check) in healthChecks.enumerated() {
            let path = "/healthChecks(\(place))"
            switch check.kind {
            case .command:
                found.check(!check.command.isEmpty, path + "/command", "must not be empty")
            case .http, .https, .tcp:
                found.check(
                    check.port != nil || Int(check.portIndex) < ports.count, path + "/portIndex",
                    "Health check port indices must address an element of the ports array.")
            }
            found.span(check.graceMilliseconds, path + "/gracePeriodSeconds")
            found.span(check.intervalMilliseconds, path + "/intervalSeconds")
            found.span(check.timeoutMilliseconds, path + "/timeoutSeconds")
            found.span(check.delayMilliseconds, path + "/delaySeconds")
        }
        for (place, check) in readinessChecks.enumerated() {
            let path = "/readinessChecks(\(place))"
            found.check(
                ports.contains { $0.name == check.portName }, path + "/portName",
                "No port definition reference for portName \(check.portName)")
            found.check(!check.readyCodes.isEmpty, path + "/httpStatusCodesForReady", "is empty")
            found.list(check.readyCodes.count, path + "/httpStatusCodesForReady")
            found.span(check.intervalMilliseconds, path + "/intervalSeconds")
            found.span(check.timeoutMilliseconds, path + "/timeoutSeconds")
        }
    }

    private func checkBehaviour(_ found: inout ServiceProblems) {
        for (path, share) in [
            ("/upgradeStrategy/minimumHealthCapacity", minimumHealthCapacity),
            ("/upgradeStrategy/maximumOverCapacity", maximumOverCapacity),
        ] { found.check(share <= 1_000, path, "got \(share)/1000, expected between 0.0 and 1.0") }
        found.span(backoffMilliseconds, "/backoffSeconds")
        found.span(backoffMaxMilliseconds, "/maxLaunchDelaySeconds")
        found.check(
            backoffFactor >= 1_000 && backoffFactor <= ServiceLimits.factorMax, "/backoffFactor",
            "must be greater than or equal to 1.0")
        if let killGraceMilliseconds {
            found.span(killGraceMilliseconds, "/taskKillGracePeriodSeconds")
        }
        if case .replaced(let inactiveAfter, let expungeAfter) = unreachable {
            let path = "/unreachableStrategy"
            found.span(inactiveAfter, path + "/inactiveAfterSeconds")
            found.span(expungeAfter, path + "/expungeAfterSeconds")
            found.check(
                inactiveAfter <= expungeAfter, path,
                "inactiveAfterSeconds must be less than or equal to expungeAfterSeconds")
        }
    }

    private func checkDependencies(_ found: inout ServiceProblems) {
        found.list(dependencies.count, "/dependencies")
        for (place, dependency) in dependencies.enumerated() {
            found.check(
                dependency.isValid, "/dependencies(\(place))", "is not the name of a service")
            found.check(
                dependency != id && !dependency.isAncestor(of: id), "/dependencies(\(place))",
                "An app may not depend on itself, nor on a group that it is in.")
        }
    }
}

/// Gathers problems, and bounds how many there are.
struct ServiceProblems {
    private(set) var problems: [ServiceProblem] = []

    mutating func check(_ isFine: Bool, _ path: String, _ message: @autoclosure () -> String) {
        if isFine || problems.count >= ServiceLimits.listMax { return }
        let problem = ServiceProblem(path, message())
        if problems.last != problem { problems.append(problem) }
    }

    mutating func list(_ count: Int, _ path: String, max: Int = ServiceLimits.listMax) {
        check(count <= max, path, "has \(count) elements, the limit is \(max)")
    }

    mutating func span(_ milliseconds: UInt64, _ path: String) {
        check(
            milliseconds <= ServiceLimits.millisecondsMax, path,
            "is longer than \(ServiceLimits.millisecondsMax / 1_000) s")
    }
}
