internal import ControlPlane
internal import Dispatch
internal import Foundation
internal import Logging
internal import Replication

/// Runs a server until a signal, or until it stops by itself. Returns the process's exit status.
enum ServerRun {
    static func run(_ configuration: ServerConfiguration) async -> Int32 {
        let logger = makeLogger(configuration)
        logger.debug("memory comes from \(Allocator.version)")
        let ends = AsyncStream<Int32>.makeStream()
        let start = Task {
            try await Server.start(configuration, logger: logger) { halt in
                ends.continuation.yield(halt.exitStatus)
            }
        }
        let signals = watchSignals {
            start.cancel()
            ends.continuation.yield(0)
        }
        defer { for signal in signals { signal.cancel() } }
        let server: Server
        do {
            server = try await start.value
        } catch is CancellationError {
            logger.info("stopped before it had started")
            return 0
        } catch {
            let (status, text) = StartFailure.describe(error)
            logger.critical("cannot start: \(text)")
            return status
        }
        var status: Int32 = 0
        for await end in ends.stream {
            status = end
            break
        }
        if status == 0 {
            logger.info("stopping: leadership is handed on and requests on their way are answered")
            await server.stop()
            logger.info("stopped")
        } else {
            // It stopped by itself, and its threads go on until the process ends: they must find
            // it.
            _ = Unmanaged.passRetained(server)
        }
        return status
    }

    private static func makeLogger(_ configuration: ServerConfiguration) -> Logger {
        var logger = Logger(label: "keelson") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: configuration.logLevel) ?? .info
        return logger
    }

    private static func watchSignals(
        _ onSignal: @escaping @Sendable () -> Void
    ) -> [any DispatchSourceSignal] {
        // A peer or client that closes its end must be an error on that socket, not the end of the
        // node.
        signal(SIGPIPE, SIG_IGN)
        return [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { onSignal() }
            source.resume()
            return source
        }
    }
}
