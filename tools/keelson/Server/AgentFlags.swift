internal import Agent
internal import AgentLogic
internal import ControlPlane
internal import Foundation
internal import KeelsonClient
internal import StateMachine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What the words of `keelson agent` come to, or which of them cannot be used.
struct AgentFlags {
    struct Settings {
        var session: AgentSession.Settings
        /// Nil: the agent serves nothing.
        var listen: ServiceURL?
        /// Of ``listen``.
        var tls = TLSFlags(.agent)
    }

    private let command: AgentRunCommand

    init(_ command: AgentRunCommand) { self.command = command }

    func settings() throws -> Settings {
        let directory = URL(filePath: command.workDir).standardizedFileURL.path(
            percentEncoded: false)
        guard !command.workDir.isEmpty, directory != "/" else {
            throw Failure(.usage, "--work-dir '\(command.workDir)' is no directory for an agent")
        }
        let work = directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        let listen = try listen()
        let hostname = command.hostname ?? ProcessInfo.processInfo.hostName
        guard (1...255).contains(hostname.utf8.count), !hostname.contains(where: \.isWhitespace)
        else { throw Failure(.usage, "--hostname '\(hostname)' is no name of a machine") }
        var description = AgentDescription(
            hostname: hostname, resources: try resources(work), version: "keelson")
        do throws(AgentError) {
            description.attributes = try AgentAttribute.list(command.attributes)
        } catch {
            throw Failure(
                .usage, "--attributes cannot be used: \(error)",
                advice: "an example: 'rack:r1;zone:a'")
        }
        description.url = listen == nil ? "" : command.listenUrl
        var session = AgentSession.Settings(
            endpoints: try endpoints(), directory: WorkDirectory(work), description: description)
        session.credentials = try credentials()
        session.tls = command.tls.settings ?? TLSSettings()
        let roots = command.fileRoots.split(separator: ",").map(String.init)
        if let root = roots.first(where: { !$0.hasPrefix("/") }) {
            throw Failure(.usage, "--file-roots: '\(root)' does not begin with a slash")
        }
        session.runner.fetcher = FileFetcher(roots: roots)
        session.authenticatesExecutors = command.authenticateHttpExecutors
        return Settings(session: session, listen: listen, tls: portTLS())
    }

    private func portTLS() -> TLSFlags {
        var flags = TLSFlags(.agent)
        flags.certificatePath = command.portTLS.certFile
        flags.keyPath = command.portTLS.keyFile
        flags.trustedCAPath = command.portTLS.trustedCaFile
        flags.asksForCertificates = command.portTLS.clientCertAuth
        flags.revocationListPath = command.portTLS.clientCrlFile
        return flags
    }

    private func endpoints() throws -> [Endpoint] {
        let text = command.endpoints ?? variable("KEELSON_ENDPOINTS") ?? "http://127.0.0.1:2379"
        let parts = text.split(separator: ",").map { String($0.drop(while: { $0 == " " })) }
        guard !parts.isEmpty else { throw Failure(.usage, "--endpoints names no server") }
        let usesTLS = command.tls.settings != nil
        return try parts.map { try Endpoint($0, usingTLS: usesTLS) }
    }

    /// Read here as the servers will read them.
    private func resources(_ directory: String) throws -> String {
        guard let text = command.resources else {
            var existing = directory
            while access(existing, F_OK) != 0, existing.count > 1 {
                existing = (existing as NSString).deletingLastPathComponent
            }
            return MachineResources.measure(path: existing)
        }
        let example = "an example: 'cpus:4;mem:2048;ports:[31000-31999]'"
        do throws(ResourcesParseError) {
            if try !ResourcesParser.parse(text).isEmpty { return text }
        } catch {
            throw Failure(.usage, "--resources cannot be used: \(error)", advice: example)
        }
        throw Failure(.usage, "--resources '\(text)' offers nothing", advice: example)
    }

    private func listen() throws -> ServiceURL? {
        if command.listenUrl == "none" { return nil }
        let refusal = Failure(
            .usage, "--listen-url '\(command.listenUrl)' cannot be used",
            advice: "an example: http://10.0.0.5:5051; none serves nothing")
        guard let url = URL(string: command.listenUrl), let scheme = url.scheme,
            ["http", "https"].contains(scheme), let host = url.host(percentEncoded: false),
            !host.isEmpty,
            url.path.isEmpty || url.path == "/", url.query == nil
        else { throw refusal }
        let port = url.port ?? 5051
        guard (1...65_535).contains(port) else { throw refusal }
        return ServiceURL(scheme: scheme, host: host, port: port)
    }

    private func credentials() throws -> Credentials? {
        guard let text = command.user ?? variable("KEELSON_USER") else { return nil }
        if let colon = text.firstIndex(of: ":") {
            return Credentials(
                user: String(text[..<colon]), password: String(text[text.index(after: colon)...]))
        }
        guard let password = variable("KEELSON_PASSWORD") else {
            throw Failure(
                .usage, "the user \(text) has no password",
                advice: "give --user NAME:PASSWORD, or set KEELSON_PASSWORD")
        }
        return Credentials(user: text, password: password)
    }

    private func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
