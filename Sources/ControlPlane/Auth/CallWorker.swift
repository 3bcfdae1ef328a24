internal import NIOCore
internal import NIOPosix

/// Does what takes long for calls, one after the other on a thread of its own; a few at a time in
/// all and from one place, so that whoever guesses passwords or makes up tokens delays others who
/// log in, but neither writes nor reads.
///
/// Confined to the event loop, hence `@unchecked Sendable`; the thread sees only what is Sendable.
final class CallWorker: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let outstandingMax: Int
    private let outstandingFromOnePlaceMax: Int
    private var outstanding = 0
    private var places: [String: Int] = [:]

    init(eventLoop: any EventLoop, outstandingMax: Int, outstandingFromOnePlaceMax: Int) {
        self.eventLoop = eventLoop
        self.outstandingMax = outstandingMax
        self.outstandingFromOnePlaceMax = outstandingFromOnePlaceMax
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
        guard outstanding < outstandingMax, fromThere < outstandingFromOnePlaceMax
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
