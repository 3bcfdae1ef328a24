internal import ArgumentParser
internal import KeelsonClient

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// What every command that talks to a cluster can be told.
struct ClusterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The servers, separated by commas: URLs with http or https, or host:port."
                + " KEELSON_ENDPOINTS sets them too.",
            valueName: "urls"))
    var endpoints: String?

    @Option(
        help: ArgumentHelp(
            "As whom to log in, where the cluster asks; without a password it is asked for."
                + " KEELSON_USER and KEELSON_PASSWORD set them too.",
            valueName: "name[:password]"))
    var user: String?

    @OptionGroup var tls: TLSClientOptions

    @Option(help: "How long to try: a number with ms, s, m or h.")
    var timeout = TimeSpan(.seconds(5))

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = OutputFormat.text

    var endpointTexts: [String] {
        let named = endpoints ?? getenv("KEELSON_ENDPOINTS").map { String(cString: $0) } ?? ""
        let parts = named.split(separator: ",").map { part in
            String(part.drop(while: { $0 == " " }))
        }
        return parts.isEmpty ? ["http://127.0.0.1:2379"] : parts
    }

    func parsedEndpoints() throws -> [Endpoint] {
        let usesTLS = tls.settings != nil
        return try endpointTexts.map { try Endpoint($0, usingTLS: usesTLS) }
    }

    func makeCluster(endpoints: [String]? = nil) throws -> Cluster {
        var options = Cluster.Options()
        options.timeout = timeout.duration
        options.credentials = try credentials()
        options.tls = tls.settings
        return try Cluster(endpoints: endpoints ?? endpointTexts, options: options)
    }

    private func credentials() throws -> Credentials? {
        func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        guard let given = user ?? environment("KEELSON_USER"), !given.isEmpty else { return nil }
        let parts = given.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        if parts.count > 1 { return Credentials(user: name, password: String(parts[1])) }
        let password = try environment("KEELSON_PASSWORD") ?? PasswordPrompt.password(of: name)
        return Credentials(user: name, password: password)
    }

    /// Runs `body` with a client that is shut down afterwards.
    func withCluster<Answer: Sendable>(
        _ body: (Cluster) async throws -> Answer
    ) async throws -> Answer {
        let cluster = try makeCluster()
        do {
            let answer = try await body(cluster)
            await cluster.shutdown()
            return answer
        } catch {
            await cluster.shutdown()
            throw error
        }
    }
}

/// A length of time on the command line.
struct TimeSpan: ExpressibleByArgument, CustomStringConvertible {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        guard let number = Double(digits), number > 0, number < 1e9 else { return nil }
        switch argument.dropFirst(digits.count) {
        case "ms": duration = .milliseconds(number)
        case "s", "": duration = .seconds(number)
        case "m": duration = .seconds(number * 60)
        case "h": duration = .seconds(number * 3600)
        default: return nil
        }
    }

    var description: String {
        let milliseconds = duration.milliseconds
        return milliseconds.truncatingRemainder(dividingBy: 1000) == 0
            ? "\(Int(milliseconds / 1000))s" : "\(milliseconds)ms"
    }

    var defaultValueDescription: String { description }
}

extension Duration {
    var milliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
    }
}

/// A lease's id, in hexadecimal as it is printed everywhere.
struct LeaseID: ExpressibleByArgument, CustomStringConvertible {
    let rawValue: Int64

    init(_ rawValue: Int64) { self.rawValue = rawValue }

    init?(argument: String) {
        let digits = argument.hasPrefix("0x") ? argument.dropFirst(2) : argument[...]
        guard let value = Int64(digits, radix: 16) else { return nil }
        rawValue = value
    }

    var description: String {
        let digits = String(UInt64(bitPattern: rawValue), radix: 16)
        return String(repeating: "0", count: max(0, 16 - digits.count)) + digits
    }
}
