internal import API
internal import AgentLogic

extension TaskTranslation {
    static func healthCheck(_ info: MesosHealthCheck) throws(AgentError) -> HealthCheck {
        let isCommand = info.type == .command || (!info.hasType && info.hasCommand)
        let isHTTP = info.type == .http || (!info.hasType && info.hasHTTP)
        let isTCP = info.type == .tcp || (!info.hasType && info.hasTcp)
        let probe: Probe
        if isCommand, info.hasCommand {
            probe = .command(try command(info.command))
        } else if isHTTP, info.hasHTTP {
            guard !info.http.hasScheme || info.http.scheme == "http" else {
                throw .invalid(field: "health check", why: "only http is spoken")
            }
            probe = .http(port: try port(info.http.port), path: path(info.http.path))
        } else if isTCP, info.hasTcp {
            probe = .tcp(port: try port(info.tcp.port))
        } else {
            throw .invalid(field: "health check", why: "it says nothing to check")
        }
        var check = HealthCheck(probe)
        check.timing = try timing(
            delay: info.delaySeconds, interval: info.intervalSeconds, timeout: info.timeoutSeconds)
        check.consecutiveFailures = info.consecutiveFailures
        check.gracePeriod = try amount(info.gracePeriodSeconds, times: 1000, "grace period")
        return check
    }

    static func check(_ info: MesosCheckInfo) throws(AgentError) -> TaskCheck {
        let probe: Probe
        if info.type == .command, info.hasCommand {
            probe = .command(try command(info.command.command))
        } else if info.type == .http, info.hasHTTP {
            probe = .http(port: try port(info.http.port), path: path(info.http.path))
        } else if info.type == .tcp, info.hasTcp {
            probe = .tcp(port: try port(info.tcp.port))
        } else {
            throw .invalid(field: "check", why: "it says nothing to check")
        }
        var check = TaskCheck(probe)
        check.timing = try timing(
            delay: info.delaySeconds, interval: info.intervalSeconds, timeout: info.timeoutSeconds)
        return check
    }

    private static func path(_ path: String) -> String { path.isEmpty ? "/" : path }

    private static func port(_ number: UInt32) throws(AgentError) -> UInt16 {
        guard let port = UInt16(exactly: number) else {
            throw .invalid(field: "check", why: "port \(number) is above 65535")
        }
        return port
    }

    /// All in seconds.
    private static func timing(
        delay: Double, interval: Double, timeout: Double
    ) throws(AgentError) -> ProbeTiming {
        var timing = ProbeTiming()
        timing.delay = try amount(delay, times: 1000, "delay of a check")
        timing.interval = try amount(interval, times: 1000, "interval of a check")
        timing.timeout = try amount(timeout, times: 1000, "timeout of a check")
        return timing
    }
}
