internal import API
internal import AgentLogic
internal import Foundation
internal import NIOCore
internal import RPC
internal import SwiftProtobuf

/// `/api/v1/executor`: where executors of this machine subscribe, and say what became of their
/// tasks. What they may is for the ``TaskRunner`` to judge.
///
/// Confined to the session's event loop, hence `@unchecked Sendable`, but for
/// ``answer(_:on:)``.
final class ExecutorDesk: @unchecked Sendable {
    private struct Waiting {
        var promise: EventLoopPromise<HTTP1Response>
        /// Of a subscription.
        var stream: ExecutorStream?
        var timer: Scheduled<Void>
    }

    /// Calls that are being judged.
    private static let waitingMax = 10_000
    /// For one of them.
    private static let answerTime = TimeAmount.seconds(30)
    /// Before an executor is told to come back: those that do so at once would do nothing else.
    private static let refusalPause = TimeAmount.seconds(1)

    private unowned let session: AgentSession
    private var waiting: [ExecutorCallID: Waiting] = [:]
    private var streams: [ExecutorCallID: ExecutorStream] = [:]
    private var lastCall: UInt64 = 0

    init(_ session: AgentSession) { self.session = session }

    /// On the connection's event loop.
    func answer(_ request: HTTP1Request, on loop: any EventLoop) -> EventLoopFuture<HTTP1Response> {
        let call: ExecutorRequest
        do throws(MesosRefusal) {
            call = try ExecutorRequest(request)
        } catch {
            return loop.makeSucceededFuture(Self.response(error))
        }
        let stream = call.encoding.map { ExecutorStream(loop, $0) }
        if let stream { request.connection.onClose = { stream.closed() } }
        let promise = session.loop.makePromise(of: HTTP1Response.self)
        session.loop.execute { self.authenticate(call, stream, promise) }
        return promise.futureResult
    }

    private func authenticate(
        _ request: ExecutorRequest, _ stream: ExecutorStream?,
        _ promise: EventLoopPromise<HTTP1Response>
    ) {
        guard session.settings.authenticatesExecutors, let runner = session.tasks else {
            return take(request, stream, promise)
        }
        runner.authenticate(request.token, as: request.key) { isRight in
            self.session.loop.execute {
                if isRight { return self.take(request, stream, promise) }
                let why =
                    request.token == nil
                    ? "Send the token of MESOS_EXECUTOR_AUTHENTICATION_TOKEN: Authorization: Bearer"
                    : "The token is not that of executor \(request.key)"
                promise.succeed(Self.response(MesosRefusal(401, why)))
            }
        }
    }

    private func take(
        _ request: ExecutorRequest, _ stream: ExecutorStream?,
        _ promise: EventLoopPromise<HTTP1Response>
    ) {
        guard let runner = session.tasks, waiting.count < Self.waitingMax else {
            let why =
                session.tasks == nil
                ? "Agent has not finished recovery" : "\(waiting.count) calls are waiting"
            session.loop.scheduleTask(in: Self.refusalPause) {
                promise.succeed(Self.response(MesosRefusal(503, why)))
            }
            return
        }
        lastCall += 1
        let id = ExecutorCallID(lastCall)
        let timer = session.loop.scheduleTask(in: Self.answerTime) { [weak self] in
            guard let self else { return }
            finish(id, Self.response(MesosRefusal(503, "Agent is too busy")))
        }
        waiting[id] = Waiting(promise: promise, stream: stream, timer: timer)
        runner.give(.executor(request.input(id)))
        let key = request.key
        stream?.watch { [weak self] in
            guard let self else { return }
            session.loop.execute { self.closed(id, key) }
        }
    }

    private func closed(_ id: ExecutorCallID, _ key: ExecutorKey) {
        streams[id] = nil
        session.tasks?.give(.executor(.closed(id, key)))
    }

    private func finish(_ id: ExecutorCallID, _ response: HTTP1Response) {
        guard let call = waiting.removeValue(forKey: id) else { return }
        call.timer.cancel()
        call.promise.succeed(response)
    }

    // MARK: What was decided

    func perform(_ effect: ExecutorEffect) {
        switch effect {
        case .answer(let id, let refusal):
            finish(
                id, refusal.map { Self.response($0.refusal) } ?? HTTP1Response(status: 202))
        case .subscribed(let id, let key, let terms, let run):
            subscribed(id, key, welcome(terms, run))
        case .tell(let id, let event): streams[id]?.send(event.mesos)
        case .close(let id): streams.removeValue(forKey: id)?.end()
        case .ended(let key, let status, let sequence):
            session.sayEnded(key, status: status, sequence: sequence)
        case .toScheduler(let key, let data): session.say(data, of: key)
        }
    }

    private func subscribed(
        _ id: ExecutorCallID, _ key: ExecutorKey, _ event: MesosExecutorEvent
    ) {
        guard let stream = waiting[id]?.stream else { return closed(id, key) }
        streams[id] = stream
        stream.send(event)
        var response = HTTP1Response(
            status: 200,
            headers: [("Content-Type", stream.encoding.contentType.rawValue)])
        response.continuation = { stream.attach($0) }
        finish(id, response)
    }

    private func welcome(_ terms: ExecutorTerms, _ run: ContainerID) -> MesosExecutorEvent {
        var event = MesosExecutorEvent()
        event.type = .subscribed
        event.subscribed.executorInfo =
            (try? MesosExecutorInfo(serializedBytes: terms.info, partial: true))
            ?? MesosExecutorInfo()
        event.subscribed.frameworkInfo =
            (try? MesosFrameworkInfo(serializedBytes: terms.framework, partial: true))
            ?? MesosFrameworkInfo()
        event.subscribed.agentInfo = session.settings.description.message
        event.subscribed.agentInfo.id.value = session.agentID?.text ?? ""
        event.subscribed.containerID.value = run.description
        return event
    }

    private static func response(_ refusal: MesosRefusal) -> HTTP1Response {
        var headers = [("Content-Type", "text/plain; charset=utf-8")]
        if refusal.status == 401 {
            headers.append(("WWW-Authenticate", "Bearer realm=\"keelson\""))
        }
        if refusal.status == 405 { headers.append(("Allow", "POST")) }
        if refusal.status == 503 { headers.append(("Retry-After", "1")) }
        return HTTP1Response(
            status: refusal.status, headers: headers.map { (name: $0.0, value: $0.1) },
            body: Array((refusal.message + "\n").utf8))
    }
}

extension ExecutorEvent {
    fileprivate var mesos: MesosExecutorEvent {
        var event = MesosExecutorEvent()
        switch self {
        case .launch(let info):
            event.type = .launch
            event.launch.task = Self.task(info)
        case .launchGroup(let infos):
            event.type = .launchGroup
            event.launchGroup.taskGroup.tasks = infos.map(Self.task)
        case .kill(let task, let grace):
            event.type = .kill
            event.kill.taskID.value = task.text
            if let grace {
                event.kill.killPolicy.gracePeriod.nanoseconds =
                    Int64(clamping: min(grace, AgentLimits.durationMillisMax)) * 1_000_000
            }
        case .acknowledged(let task, let id):
            event.type = .acknowledged
            event.acknowledged.taskID.value = task.text
            event.acknowledged.uuid = Data(id.bytes)
        case .message(let data):
            event.type = .message
            event.message.data = Data(data)
        case .shutdown: event.type = .shutdown
        case .error(let why):
            event.type = .error
            event.error.message = why
        }
        return event
    }

    private static func task(_ info: [UInt8]) -> MesosTaskInfo {
        (try? MesosTaskInfo(serializedBytes: info, partial: true)) ?? MesosTaskInfo()
    }
}
