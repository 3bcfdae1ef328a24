internal import NIOCore
internal import NIOPosix

/// Hashes and checks passwords on a thread of its own, a few at a time in all and from one place,
/// so that whoever guesses passwords delays other logins but neither writes nor reads.
///
/// Confined to the event loop, hence `@unchecked Sendable`; the thread sees only what is Sendable.
final class PasswordWorker: @unchecked Sendable {
    /// What may wait, at a tenth of a second each.
    private static let outstandingMax = 64
    private static let outstandingFromOnePlaceMax = 16

    private let eventLoop: any EventLoop
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private var outstanding = 0
    private var places: [String: Int] = [:]

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        thread.start()
    }

    deinit { thread.shutdownGracefully { _ in } }

    /// Runs `work` on the thread and hands what it found to `done` on the event loop.
    /// - Parameter place: from where it is asked for, such as the client's address.
    /// - Returns: false where too much waits already: `done` is not called then.
    func run<Result: Sendable>(
        from place: String, _ work: @escaping @Sendable () -> Result,
        _ done: @escaping (Result) -> Void
    ) -> Bool {
        let fromThere = places[place, default: 0]
        guard outstanding < Self.outstandingMax, fromThere < Self.outstandingFromOnePlaceMax
        else { return false }
        outstanding += 1
        places[place] = fromThere + 1
        let handBack = NIOLoopBound(done, eventLoop: eventLoop)
        thread.submit { state in
            guard case .active = state else { return }
            let result = work()
            self.eventLoop.execute {
                self.finished(place)
                handBack.value(result)
            }
        }
        return true
    }

    private func finished(_ place: String) {
        outstanding -= 1
        let left = places[place, default: 1] - 1
        places[place] = left > 0 ? left : nil
    }
}
