import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

extension Node {
    /// How long a graceful stop waits for another leader, and for answers that are on their way.
    static let handOverMax: TimeAmount = .seconds(2)

    /// Hands leadership on, so that writes go on elsewhere at once; the future succeeds when this
    /// node does not lead any more, or when nobody took over in time.
    func handOver() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        guard !stopping, isLeader, replica.raft.configuration.electorate.count > 1 else {
            promise.succeed()
            return promise.futureResult
        }
        step(.transferLeadership(to: nil))
        waitForSuccessor(until: .now() + Self.handOverMax, promise)
        return promise.futureResult
    }

    private func waitForSuccessor(until deadline: NIODeadline, _ promise: EventLoopPromise<Void>) {
        let handedOver = !isLeader && leader != nil
        if handedOver || stopping || NIODeadline.now() >= deadline {
            promise.succeed()
            return
        }
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(1)) { [self] in
            waitForSuccessor(until: deadline, promise)
        }
    }

    /// Waits a moment for the requests that are on their way.
    func drain() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        waitForAnswers(until: .now() + .milliseconds(500), promise)
        return promise.futureResult
    }

    private func waitForAnswers(until deadline: NIODeadline, _ promise: EventLoopPromise<Void>) {
        if completions.count == 0 || stopping || NIODeadline.now() >= deadline {
            promise.succeed()
            return
        }
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(2)) { [self] in
            waitForAnswers(until: deadline, promise)
        }
    }

    /// Ends everything. Who still waits is told that the node stops; what was proposed may yet take
    /// effect. After a halt too: its threads are still there.
    func stop() {
        guard !hasEnded else { return }
        hasEnded = true
        stopping = true
        observer?.stopping()
        for completion in completions.takeAll() {
            switch completion {
            case .proposal(let done): done(.unknown(.stopped))
            case .read(let done, _): done(.stopped)
            case .renewal(let done): done(.failure(.stopped))
            case .remaining(let done): done(.failure(.stopped))
            }
        }
        ticker?.cancel()
        transport.stop()
        logThread?.stop()
        checkpoints.worker.stop()
    }

    /// Blocks until the threads have ended, and gives the data directory up. After ``stop()``, not
    /// on the event loop.
    func join() {
        logThread?.join()
        checkpoints.worker.join()
        directory = nil
    }
}
