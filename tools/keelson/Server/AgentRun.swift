internal import Agent
internal import AgentLogic
internal import ControlPlane
internal import Dispatch
internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import RPC

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Runs an agent until a signal, or until the cluster or the disk says that it is over. Returns the
/// process's exit status.
enum AgentRun {
    static func run(_ settings: AgentFlags.Settings) async -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let security: RPCSecurity?
        do { security = try portSecurity(settings) } catch {
            say("\(error)")
            return Failure.Status.usage.rawValue
        }
        let listen = settings.listen
        var settings = settings.session
        settings.log = { say($0) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let session = AgentSession(settings: settings, loop: group.next())
        let pages = AgentPages(session: session)
        let server = pages.server(eventLoop: group.next())
        if let listen {
            do {
                let address = try await server.listen(
                    host: listen.host, port: listen.port, security: security
                ).get()
                let how = security == nil ? "" : ", with TLS"
                say("files, state and metrics of this agent are served on \(address)\(how)")
            } catch {
                say("cannot listen on \(listen.host):\(listen.port): \(error)")
                session.stop()
                _ = try? await session.end.get()
                return Failure.Status.inputOutput.rawValue
            }
        }
        let signals = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { session.stop() }
            source.resume()
            return source
        }
        defer { for signal in signals { signal.cancel() } }
        session.start()
        let end = try? await session.end.get()
        try? await server.shutdown(gracePeriod: .milliseconds(200)).get()
        return status(of: end)
    }

    private static func portSecurity(
        _ settings: AgentFlags.Settings
    ) throws(ConfigurationError) -> RPCSecurity? {
        guard let url = settings.listen else { return nil }
        let logger = Logger(label: "keelson agent") { StreamLogHandler.standardError(label: $0) }
        return try settings.tls.agentSecurity(url, logger: logger)
    }

    private static func status(of end: AgentSession.End?) -> Int32 {
        switch end {
        case .stopped, nil:
            say("stopped; tasks go on")
            return 0
        case .refused(let reason):
            say("the cluster refuses this agent: \(reason)")
            return Failure.Status.failed.rawValue
        case .failed(let error):
            say("\(error)")
            switch error {
            case .untrusted: return Failure.Status.untrustworthyData.rawValue
            case .invalid: return Failure.Status.usage.rawValue
            case .io, .limit, .program: return Failure.Status.inputOutput.rawValue
            case .busy: return Failure.Status.failed.rawValue
            }
        }
    }

    private static func say(_ line: String) {
        Output.writeAll(Array("keelson agent: \(line)\n".utf8), to: STDERR_FILENO)
    }
}
