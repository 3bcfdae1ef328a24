internal import HTTPTypes
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle

/// The node's HTTP port for people and frameworks: Mesos' scheduler, operator and older APIs, and
/// Marathon's.
package final class DatacenterServer: Sendable {
    private let access: DeskAccess
    private let group: MultiThreadedEventLoopGroup
    private let server: HummingbirdCore.Server<SecuredChannel>
    /// Ends once every connection has.
    private let running: Task<Void, Never>
    private let settings: SurfaceSettings
    private let logger: Logger
    /// Where it listens.
    package let port: Int

    private init(
        _ access: DeskAccess, _ group: MultiThreadedEventLoopGroup,
        _ server: HummingbirdCore.Server<SecuredChannel>, _ running: Task<Void, Never>,
        _ settings: SurfaceSettings, port: Int, _ logger: Logger
    ) {
        self.access = access
        self.group = group
        self.server = server
        self.running = running
        self.settings = settings
        self.port = port
        self.logger = logger
    }

    /// What a server is made around, on the facade's event loop.
    package struct Desk: Sendable {
        fileprivate let access: DeskAccess
        fileprivate let settings: SurfaceSettings
        fileprivate let logger: Logger

        package init(
            _ facade: any DatacenterFacade, _ settings: SurfaceSettings, logger: Logger
        ) {
            let desk = DatacenterDesk(facade, settings, logger)
            desk.start()
            access = DeskAccess(desk)
            self.settings = settings
            self.logger = logger
        }
    }

    /// - Throws: where the address cannot be listened on.
    package static func start(_ desk: Desk) async throws -> DatacenterServer {
        let settings = desk.settings
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, settings.threadCount))
        let started = group.next().makePromise(of: Int.self)
        let responder = SurfaceResponder(desk.access, settings, desk.logger)
        let server = makeServer(responder, settings, group, desk.logger) { started.succeed($0) }
        let logger = desk.logger
        let running = Task {
            do {
                try await server.run()
            } catch {
                started.fail(error)
                logger.debug("the HTTP server ended", metadata: ["reason": "\(error)"])
            }
        }
        let port: Int
        do {
            port = try await started.futureResult.get()
        } catch {
            desk.access.post { $0.stop() }
            try? await group.shutdownGracefully()
            throw error
        }
        responder.serves(port: port)
        logger.info(
            "serving HTTP",
            metadata: [
                "address": "\(settings.host):\(port)",
                "TLS": settings.security == nil ? "no" : "yes",
            ])
        return DatacenterServer(
            desk.access, group, server, running, settings, port: port, desk.logger)
    }

    private static func makeServer(
        _ responder: SurfaceResponder, _ settings: SurfaceSettings, _ group: any EventLoopGroup,
        _ logger: Logger, _ started: @escaping @Sendable (Int) -> Void
    ) -> HummingbirdCore.Server<SecuredChannel> {
        let channel = HTTP1Channel(
            responder: { request, writer, channel in
                try await responder.respond(request, writer, channel)
            },
            configuration: .init(
                additionalChannelHandlers: [InboundEnd()],
                idleTimeout: .seconds(settings.idleSeconds),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: settings.headerBytesMax,
                    maxHeaderListSize: settings.headerBytesMax,
                    maxHeaderFieldCount: settings.headerFieldsMax)))
        var quiet = logger
        // It says what this says already.
        quiet.logLevel = max(logger.logLevel, .warning)
        return HummingbirdCore.Server(
            childChannelSetup: SecuredChannel(base: channel, security: settings.security),
            configuration: .init(
                address: .hostname(settings.host, port: settings.port), serverName: nil,
                availableConnectionsDelegate: .maximum(settings.connectionsMax, logger: quiet)),
            onServerRunning: { channel in started(channel.localAddress?.port ?? 0) },
            eventLoopGroup: group, logger: quiet)
    }

    /// Streams end at once, what else is in progress within ``SurfaceSettings/stopSeconds``.
    package func stop() async {
        _ = try? await access.run { $0.stop() }
        let server = self.server
        Task { try? await server.shutdownGracefully() }
        if await !hasEnded(within: .seconds(settings.stopSeconds)) {
            running.cancel()
            // Its loops are needed as long as it writes; the process ends without their help.
            guard await hasEnded(within: .seconds(1)) else {
                return logger.warning("HTTP requests that are in progress are left")
            }
        }
        try? await group.shutdownGracefully()
        logger.info("HTTP stopped")
    }

    private func hasEnded(within time: TimeAmount) async -> Bool {
        let ended = group.next().makePromise(of: Bool.self)
        let running = self.running
        Task {
            await running.value
            ended.succeed(true)
        }
        group.next().scheduleTask(in: time) { ended.succeed(false) }
        return (try? await ended.futureResult.get()) ?? false
    }
}
