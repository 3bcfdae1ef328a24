internal import Logging
internal import NIOCore
internal import StateMachine

/// What of the surfaces lives on the node's event loop: whom it tells, and who waits for it.
///
/// Confined to that loop.
final class DatacenterDesk {
    let facade: any DatacenterFacade
    let settings: SurfaceSettings
    let logger: Logger
    let callers: CallerDesk
    let leadership: LeadershipDesk
    let schedulers: SchedulerStreams
    let operators: OperatorFeed
    let dashboards: DashboardFeed
    let marathon: MarathonFeed
    private var isRunning = false

    init(_ facade: any DatacenterFacade, _ settings: SurfaceSettings, _ logger: Logger) {
        self.facade = facade
        self.settings = settings
        self.logger = logger
        callers = CallerDesk(facade, settings, logger)
        leadership = LeadershipDesk(
            facade, waitMax: .seconds(settings.parkSeconds), waitingMax: settings.parkedMax)
        schedulers = SchedulerStreams(facade, settings, logger)
        operators = OperatorFeed(facade, settings, logger)
        dashboards = DashboardFeed(facade, settings, logger)
        marathon = MarathonFeed(facade, settings, logger)
    }

    func start() {
        isRunning = true
        marathon.start()
        tickLater()
    }

    private func tickLater() {
        facade.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { [weak self] in
            guard let self, isRunning else { return }
            let now = NIODeadline.now()
            callers.tick(now)
            schedulers.tick(now)
            operators.tick(now)
            dashboards.tick(now)
            marathon.tick(now)
            tickLater()
        }
    }

    func stop() {
        isRunning = false
        callers.stop()
        leadership.stop()
        schedulers.stop()
        operators.stop()
        dashboards.stop()
        marathon.stop()
    }
}

/// The way to a ``DatacenterDesk`` from any task.
struct DeskAccess: Sendable {
    let loop: any EventLoop
    private let desk: NIOLoopBound<DatacenterDesk>

    /// Called on the desk's event loop.
    init(_ desk: DatacenterDesk) {
        loop = desk.facade.eventLoop
        self.desk = NIOLoopBound(desk, eventLoop: loop)
    }

    /// - Throws: where the loop has ended.
    func run<Result: Sendable>(
        _ body: @escaping @Sendable (DatacenterDesk) -> Result
    ) async throws -> Result {
        try await loop.submit { body(desk.value) }.get()
    }

    func runAsync<Result: Sendable>(
        _ body: @escaping @Sendable (DatacenterDesk) -> EventLoopFuture<Result>
    ) async throws -> Result {
        try await loop.flatSubmit { body(desk.value) }.get()
    }

    func post(_ body: @escaping @Sendable (DatacenterDesk) -> Void) {
        loop.execute { body(desk.value) }
    }
}
