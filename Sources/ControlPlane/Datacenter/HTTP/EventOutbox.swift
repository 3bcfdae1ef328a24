internal import DequeModule
internal import NIOCore

/// What waits to be written on one stream of events. The node's event loop puts in, the stream's
/// task takes out, and no more than a limit is ever held: who does not read is cut off.
final class EventOutbox<Element: Sendable>: Sendable {
    fileprivate struct State {
        var queue: Deque<(element: Element, bytes: Int)> = []
        var bytes = 0
        /// Nothing comes behind what is there.
        var isFinished = false
        /// Why the stream ends at once.
        var failure: String?
        /// All of it is written: nothing can fail any more.
        var isWritten = false
        /// When something was taken last, or came where nothing was.
        var progressAt = NIODeadline.now()
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = LockedValue(State())
    private let bytesMax: Int
    private let onFailure: @Sendable (String) -> Void

    /// - Parameter onFailure: called once, with why.
    init(bytesMax: Int, onFailure: @escaping @Sendable (String) -> Void) {
        self.bytesMax = bytesMax
        self.onFailure = onFailure
    }

    /// Why it ended before its time; nil while it did not.
    var failure: String? { state.with { $0.failure } }

    var isEnded: Bool { state.with { $0.isFinished || $0.failure != nil } }

    /// - Returns: false where the stream has ended, or ends by this: it has too much already.
    @discardableResult
    func push(_ element: Element, bytes: Int) -> Bool {
        let (waiter, isFull) = state.with { state -> (CheckedContinuation<Void, Never>?, Bool) in
            guard !state.isFinished, state.failure == nil else { return (nil, false) }
            guard state.bytes + bytes <= bytesMax else { return (nil, true) }
            if state.queue.isEmpty { state.progressAt = .now() }
            state.queue.append((element, bytes))
            state.bytes += bytes
            return (state.waiter.take(), false)
        }
        waiter?.resume()
        if isFull { fail("more than \(bytesMax) bytes wait for it to read") }
        return !isFull && !isEnded
    }

    /// It ends behind what is there.
    func finish() {
        let waiter = state.with { state -> CheckedContinuation<Void, Never>? in
            state.isFinished = true
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Its task has written what there was.
    func written() { state.with { $0.isWritten = true } }

    /// It ends at once: what waits is dropped.
    func fail(_ reason: String) {
        let (waiter, isFirst) = state.with { state -> (CheckedContinuation<Void, Never>?, Bool) in
            let isFirst = state.failure == nil && !state.isWritten
            if isFirst { state.failure = reason }
            state.queue = []
            state.bytes = 0
            return (state.waiter.take(), isFirst)
        }
        waiter?.resume()
        if isFirst { onFailure(reason) }
    }

    /// How long nothing was taken although something is there.
    func stalled(at now: NIODeadline) -> TimeAmount? {
        state.with { $0.queue.isEmpty ? nil : now - $0.progressAt }
    }

    /// What is there, about `bytes` of it; nil at the end. For one task.
    func next(bytes wanted: Int) async -> [Element]? {
        while true {
            let (batch, isEnd) = state.with { state in state.take(wanted) }
            if !batch.isEmpty { return batch }
            if isEnd { return nil }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.with { state in
                        if !state.queue.isEmpty || state.isFinished || state.failure != nil {
                            return true
                        }
                        state.waiter = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                fail("its task was ended")
            }
        }
    }
}

extension EventOutbox.State {
    fileprivate mutating func take(_ wanted: Int) -> (batch: [Element], isEnd: Bool) {
        if failure != nil { return ([], true) }
        var batch: [Element] = []
        var taken = 0
        while taken < wanted, let first = queue.popFirst() {
            batch.append(first.element)
            taken += first.bytes
        }
        bytes -= taken
        progressAt = .now()
        return (batch, isFinished)
    }
}
