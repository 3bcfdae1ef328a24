internal import ControlPlane
internal import Dispatch
internal import Foundation
internal import Logging
internal import Measuring
internal import Replication
internal import Synchronization

/// Runs a server until a signal, or until it stops by itself. Returns the process's exit status.
enum ServerRun {
    private enum End: Sendable {
        case signal
        case halt(NodeHalt)
    }

    static func run(_ configuration: ServerConfiguration) async -> Int32 {
        let logger = makeLogger(configuration)
        logger.debug("memory comes from \(Allocator.version)")
        let ends = AsyncStream<End>.makeStream()
        let starting = Starting()
        let signals = watchSignals {
            starting.end()
            ends.continuation.yield(.signal)
        }
        defer { for signal in signals { signal.cancel() } }
        var waiting = ends.stream.makeAsyncIterator()
        var search: ServerSearch?
        while true {
            let task = Task { [search] in
                try await Server.start(configuration, searching: search, logger: logger) {
                    ends.continuation.yield(.halt($0))
                }
            }
            starting.begin(task)
            let server: Server
            do { server = try await task.value } catch { return whyNot(error, logger) }
            guard case .halt(let halt) = await waiting.next() else {
                await stop(server, logger)
                return 0
            }
            search = await server.search(after: halt)
            guard search != nil else { return await end(server, halt.exitStatus, logger) }
            await stop(server, logger)
        }
    }

    private static func whyNot(_ error: any Error, _ logger: Logger) -> Int32 {
        if error is CancellationError {
            logger.info("stopped before it had started")
            return 0
        }
        let (status, text) = StartFailure.describe(error)
        logger.critical("cannot start: \(text)")
        return status
    }

    private static func end(_ server: Server, _ status: Int32, _ logger: Logger) async -> Int32 {
        if status == 0 {
            await stop(server, logger)
        } else {
            // It stopped by itself, and its threads go on until the process ends: they must find
            // it.
            _ = Unmanaged.passRetained(server)
        }
        return status
    }

    private static func stop(_ server: Server, _ logger: Logger) async {
        logger.info("stopping: leadership is handed on and requests on their way are answered")
        await server.stop()
        logger.info("stopped")
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

/// The start that is under way, for a signal to end; a server that comes back starts several times.
private final class Starting: Sendable {
    private let state = Mutex<(task: Task<Server, any Error>?, isOver: Bool)>((nil, false))

    func begin(_ task: Task<Server, any Error>) {
        state.withLock {
            $0.task = task
            if $0.isOver { task.cancel() }
        }
    }

    func end() {
        state.withLock {
            $0.isOver = true
            $0.task?.cancel()
        }
    }
}
