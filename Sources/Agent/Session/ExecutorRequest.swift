internal import API
internal import AgentLogic
internal import Foundation
internal import RPC

/// A call to the executor API, as the agent takes it.
struct ExecutorRequest {
    enum Content {
        case subscribe(unacknowledged: Set<TaskID>, updates: [ExecutorUpdate])
        case update(ExecutorUpdate)
        case message([UInt8])
        case heartbeat
    }

    var key: ExecutorKey
    var content: Content
    /// How a subscription's events are to be written; nil for any other call.
    var encoding: MesosMessage.Encoding?
    /// As which executor it comes, if it says so.
    var token: String?

    static func isFor(_ request: HTTP1Request) -> Bool {
        let path = request.uri.prefix { $0 != "?" }
        return ["", "/slave(1)", "/agent"].contains { path == $0 + "/api/v1/executor" }
    }

    /// - Throws: 400, 405, 406, 413, 415 or 501, in words that the executor is told.
    init(_ request: HTTP1Request) throws(MesosRefusal) {
        guard request.method == "POST" else {
            throw MesosRefusal(405, "Expecting one of { 'POST' }, but received '\(request.method)'")
        }
        let own = try MesosEncodings.request(contentType: request.header("Content-Type")).encoding
        let call: MesosExecutorCall
        do throws(MesosDecodingError) {
            call = try MesosMessage.decode(MesosExecutorCall.self, from: request.body, as: own)
        } catch {
            throw MesosRefusal(error)
        }
        try call.validate()
        if let field = request.header("Authorization"), field.lowercased().hasPrefix("bearer ") {
            token = String(field.dropFirst("bearer ".count).drop { $0 == " " })
        }
        do throws(AgentError) {
            key = ExecutorKey(
                framework: try FrameworkID(call.frameworkID.value),
                executor: try ExecutorID(call.executorID.value))
        } catch {
            throw .badRequest("\(error)")
        }
        switch call.type {
        case .subscribe:
            encoding = try MesosEncodings.response(accept: request.header("Accept")).encoding
            content = .subscribe(
                unacknowledged: Set(
                    call.subscribe.unacknowledgedTasks.compactMap { try? TaskID($0.taskID.value) }),
                // Those that were refused when they came first have no effect now either.
                updates: call.subscribe.unacknowledgedUpdates.compactMap {
                    try? ExecutorUpdate($0.status)
                })
        case .update: content = .update(try ExecutorUpdate(call.update.status))
        case .message:
            let data = call.message.data
            guard data.count <= AgentLimits.executorMessageBytesMax else {
                throw MesosRefusal(
                    413,
                    "A message has at most \(AgentLimits.executorMessageBytesMax) bytes, not "
                        + "\(data.count)")
            }
            content = .message(Array(data))
        case .heartbeat: content = .heartbeat
        case .unknown: throw MesosRefusal(501, "Received 'UNKNOWN' call")
        }
    }

    func input(_ call: ExecutorCallID) -> ExecutorInput {
        switch content {
        case .subscribe(let tasks, let updates):
            .subscribes(call, key, unacknowledged: tasks, updates: updates)
        case .update(let update): .updates(call, key, update)
        case .message(let data): .says(call, key, data)
        case .heartbeat: .beats(call, key)
        }
    }
}

extension ExecutorUpdate {
    /// - Throws: 400 for what no executor can say, 413 for what no master takes.
    init(_ status: MesosTaskStatus) throws(MesosRefusal) {
        guard let state = TaskState(executorState: status.state) else {
            throw .badRequest("No executor can know that a task is \(status.state)")
        }
        guard let id = UpdateID(bytes: Array(status.uuid)) else {
            throw .badRequest("UUID has \(status.uuid.count) bytes, not 16")
        }
        let body = MesosMessage.encode(status, as: .protobuf)
        guard body.count <= AgentLimits.executorStatusBytesMax else {
            throw MesosRefusal(
                413,
                "A status has at most \(AgentLimits.executorStatusBytesMax) bytes, not "
                    + "\(body.count)")
        }
        let task: TaskID
        do throws(AgentError) {
            task = try TaskID(status.taskID.value)
        } catch {
            throw .badRequest("\(error)")
        }
        self.init(task: task, id: id, state: state, message: status.message, body: body)
    }
}

extension TaskState {
    /// Nil for what is not for executors to say.
    fileprivate init?(executorState state: MesosTaskState) {
        switch state {
        case .taskStarting: self = .starting
        case .taskRunning: self = .running
        case .taskKilling: self = .killing
        case .taskFinished: self = .finished
        case .taskFailed: self = .failed
        case .taskKilled: self = .killed
        case .taskError: self = .error
        case .taskLost: self = .lost
        case .taskDropped: self = .dropped
        case .taskStaging, .taskUnreachable, .taskGone, .taskGoneByOperator, .taskUnknown:
            return nil
        }
    }
}

extension ExecutorRefusal {
    /// The statuses are those of Mesos' agent where it has them.
    var refusal: MesosRefusal {
        switch self {
        case .unknownExecutor(let key):
            .badRequest("Executor cannot be found: there is no \(key) on this agent")
        case .notSubscribed(let key): MesosRefusal(403, "Executor \(key) is not subscribed")
        case .unknownTask(let task): .badRequest("Task \(task) is none of this executor's")
        case .taskEnded(let task, let state):
            MesosRefusal(409, "Task \(task) has ended already: \(state)")
        case .busy(let task):
            MesosRefusal(503, "Too many updates of task \(task) wait for the master")
        }
    }
}
