internal import DequeModule
internal import NIOCore

/// Who serves calls to the leader. While nobody leads, calls wait here: a client that is sent away
/// comes back at once, thousands of times a second (DATACENTER §2.1).
///
/// Confined to the node's event loop.
final class LeadershipDesk {
    enum Answer: Equatable, Sendable {
        case here
        case there(ServicePlace)
        /// Nobody came to lead in time.
        case nobody(String)
    }

    private let facade: any DatacenterFacade
    private let waitMax: TimeAmount
    private let waitingMax: Int
    private var waiting: Deque<(until: NIODeadline, promise: EventLoopPromise<Answer>)> = []
    private var isPolling = false

    /// How often it looks whether there is a leader, while somebody waits.
    private static let pollInterval = TimeAmount.milliseconds(50)

    init(_ facade: any DatacenterFacade, waitMax: TimeAmount, waitingMax: Int) {
        self.facade = facade
        self.waitMax = waitMax
        self.waitingMax = waitingMax
    }

    var waitingCount: Int { waiting.count }

    /// Nil while nobody is known to lead.
    private var current: Answer? {
        switch facade.leadership {
        case .leading: .here
        case .following(let url): ServicePlace(url).map { .there($0) }
        case .unknown: nil
        }
    }

    var isHere: Bool { current == .here }

    private var problem: String {
        switch facade.leadership {
        case .leading, .unknown: "No leader elected"
        case .following: "The leader serves no HTTP"
        }
    }

    func ask() -> EventLoopFuture<Answer> {
        if let current { return facade.eventLoop.makeSucceededFuture(current) }
        guard waiting.count < waitingMax else {
            return facade.eventLoop.makeSucceededFuture(.nobody(problem))
        }
        let promise = facade.eventLoop.makePromise(of: Answer.self)
        waiting.append((.now() + waitMax, promise))
        poll()
        return promise.futureResult
    }

    /// Nobody waits any longer.
    func stop() { answer(.nobody("The node stops"), where: { _ in true }) }

    private func poll() {
        guard !isPolling, !waiting.isEmpty else { return }
        isPolling = true
        facade.eventLoop.assumeIsolated().scheduleTask(in: Self.pollInterval) {
            self.isPolling = false
            if let current = self.current {
                self.answer(current, where: { _ in true })
            } else {
                let now = NIODeadline.now()
                self.answer(.nobody(self.problem), where: { $0 <= now })
            }
            self.poll()
        }
    }

    /// They wait equally long, so that the first is the first to give up.
    private func answer(_ answer: Answer, where isDue: (NIODeadline) -> Bool) {
        while let first = waiting.first, isDue(first.until) {
            waiting.removeFirst()
            first.promise.succeed(answer)
        }
    }
}
