internal import AgentLogic

/// What an executor is known by: drawn for each run, and given to it in its environment. The agent
/// finds it again, after a restart too, where the supervisor was told it.
enum ExecutorSecret {
    /// As Mesos has it.
    static let variable = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"

    /// 256 bits of the system's randomness, in hexadecimal.
    static func draw() -> String {
        (0..<4).map { _ in
            let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// As fast where the first digit differs as where the last one does.
    static func equal(_ one: String, _ other: String) -> Bool {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

extension RunFiles {
    /// Nil for what is no executor's run, or one that an older agent started.
    var executorSecret: String? {
        let spec = (try? readSpec()).flatMap { $0 }
        return spec?.environment.first { $0.name == ExecutorSecret.variable }?.value
    }
}
