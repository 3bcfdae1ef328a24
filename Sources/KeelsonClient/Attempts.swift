internal import NIOCore
internal import RPC

/// Goes from endpoint to endpoint until one is connected, with a pause after a round without one.
///
/// Confined to the dialer's loop.
final class Attempts {
    let dialer: Dialer
    /// After this moment nothing new is tried; nil for as long as it takes.
    let deadline: NIODeadline?
    private var tried: [Bool]
    private var pause = ClientLimits.pauseMin
    /// What went wrong at each endpoint, last.
    private var complaints: [String?]

    init(dialer: Dialer, deadline: NIODeadline?) {
        self.dialer = dialer
        self.deadline = deadline
        tried = Array(repeating: false, count: dialer.endpointCount)
        complaints = Array(repeating: nil, count: dialer.endpointCount)
    }

    /// Calls back with a connection, or with nil once the deadline has passed or the client closed.
    func next(_ done: @escaping ((index: Int, client: RPCClient)?) -> Void) {
        if dialer.isClosed { return done(nil) }
        if let deadline, NIODeadline.now() >= deadline { return done(nil) }
        guard let index = dialer.candidate(notIn: tried) else { return nextRound(done) }
        dialer.connection(to: index).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let client): done((index, client))
            case .failure(let error):
                self.failed(index, (error as? RPCStatus)?.message ?? "\(error)")
                self.next(done)
            }
        }
    }

    /// The endpoint could not serve: it is not tried again in this round.
    func failed(_ index: Int, _ complaint: String) {
        tried[index] = true
        complaints[index] = complaint
        dialer.failed(index)
    }

    private func nextRound(_ done: @escaping ((index: Int, client: RPCClient)?) -> Void) {
        for index in tried.indices { tried[index] = false }
        var wait = pause
        if let deadline { wait = min(wait, max(deadline - .now(), .zero)) }
        pause = min(pause * 2, ClientLimits.pauseMax)
        // A loop that is shut down fails the task: then there is nobody to ask any more.
        let task = dialer.loop.assumeIsolated().scheduleTask(in: wait) {}
        task.futureResult.assumeIsolated().whenComplete { _ in self.next(done) }
    }

    /// Why nothing came of it, for people: each endpoint with what went wrong there.
    var summary: String {
        let parts = complaints.enumerated().map { index, complaint in
            "\(dialer.endpoint(index)): \(complaint ?? "did not answer in time")"
        }
        return parts.joined(separator: "; ")
    }
}
