internal import API
internal import NIOCore
internal import RPC
internal import Scheduling
internal import StateMachine
internal import SwiftProtobuf

/// One agent's session, between the wire and the master.
///
/// Confined to the event loop, hence `@unchecked Sendable`. What is sent is bounded by
/// ``AgentService/Settings/sendBytesMax``, and whatever the agent says counts as a heartbeat.
final class AgentStream: ServerStream, @unchecked Sendable {
    private enum State {
        /// Nothing has come yet.
        case new
        /// Its registration is on its way; what it says of tasks is remembered until then.
        case registering(AgentConnectionID, Known)
        case registered(AgentConnectionID, AgentID)
        case ended
    }

    /// What the agent said that it has.
    private struct Known {
        var tasks: [KnownTask]
        var executors: [ExecutorName]
    }

    private let call: ServerCall
    private let service: AgentService
    private var state = State.new
    private var silence: Scheduled<Void>?
    private var lastHeard = NIODeadline.now()

    init(call: ServerCall, service: AgentService) {
        self.call = call
        self.service = service
        watchSilence(in: silenceMax)
    }

    // MARK: ServerStream

    func received(_ bytes: [UInt8]) {
        lastHeard = .now()
        guard let message = try? WireAgentMessage(serializedBytes: bytes),
            let content = message.message
        else { return refuse("the message is malformed") }
        switch (state, content) {
        case (.ended, _): break
        case (.new, .register(let register)): self.register(register)
        case (.new, _): refuse("the first message must register the agent")
        case (_, .register): refuse("the agent has registered already")
        case (.registering(let connection, _), let other),
            (.registered(let connection, _), let other):
            take(other, from: connection)
        }
    }

    /// An agent says no more: it has gone.
    func halfClosed() { end(.ok) }

    func closed(cancelled: Bool) { close() }

    func writable() {}

    func end(_ status: RPCStatus) {
        if case .ended = state { return }
        close()
        call.finish(status)
    }

    private func refuse(_ reason: String) {
        end(RPCStatus(.invalidArgument, "agent session: \(reason)"))
    }

    private func close() {
        let connection: AgentConnectionID?
        switch state {
        case .new: connection = nil
        case .registering(let id, _), .registered(let id, _): connection = id
        case .ended: return
        }
        state = .ended
        silence?.cancel()
        service.forget(self)
        if let connection { service.facade.take(.disconnected, from: connection) }
    }

    // MARK: Silence

    private var silenceMax: TimeAmount {
        .milliseconds(Int64(clamping: service.settings.silenceMilliseconds))
    }

    /// One timer, which looks at when something came last: no timer is made for each message.
    private func watchSilence(in time: TimeAmount) {
        silence = call.eventLoop.scheduleTask(in: time) { [weak self] in
            guard let self else { return }
            let due = lastHeard + silenceMax
            let now = NIODeadline.now()
            if due > now { return watchSilence(in: due - now) }
            end(RPCStatus(.deadlineExceeded, "agent session: nothing was heard in time"))
        }
    }

    // MARK: From the agent

    private func register(_ register: WireRegister) {
        let facade = service.facade
        guard case .leading(let term) = facade.leadership else {
            return sendLast(service.elsewhere())
        }
        guard register.highestTerm <= term else {
            var message = WireMasterMessage()
            message.term = term
            message.refused.reason =
                "the agent has heard of term \(register.highestTerm), this one is \(term)"
            return sendLast(message)
        }
        do throws(AgentRefusal) {
            let registration = try AgentRegistration(register)
            let known = Known(
                tasks: try KnownTask.list(register.tasks),
                executors: try ExecutorName.list(register.executors))
            let connection = facade.connect { [weak self] told in self?.told(told) }
            state = .registering(connection, known)
            facade.take(.registers(registration), from: connection)
        } catch {
            var message = WireMasterMessage()
            message.term = term
            message.refused.reason = error.description
            message.refused.final = true
            sendLast(message)
        }
    }

    private func take(
        _ content: WireAgentMessage.OneOf_Message, from connection: AgentConnectionID
    ) {
        let facade = service.facade
        do throws(AgentRefusal) {
            switch content {
            case .register: break
            case .heartbeat: facade.take(.heartbeat, from: connection)
            case .statuses(let statuses):
                facade.take(.reports(try StatusReport.list(statuses.statuses)), from: connection)
            case .executorEnded(let ended):
                let key = try key(ended.executor)
                facade.take(
                    .executorEnded(
                        key, status: ended.status,
                        sequence: ended.sequence == 0 ? .max : ended.sequence), from: connection)
            case .executorMessage(let message):
                let key = try key(message.executor)
                let size = message.data.count
                guard size <= AgentServiceLimits.messageBytesMax else {
                    throw .tooLarge("an executor's message", size)
                }
                facade.take(.message(key, Array(message.data)), from: connection)
            }
        } catch {
            refuse(error.description)
        }
    }

    private func key(_ name: WireExecutorName) throws(AgentRefusal) -> ExecutorKey {
        guard case .registered(_, let agent) = state else {
            throw .invalid("executor", "the agent is not registered")
        }
        return try ExecutorName(name).key(on: agent)
    }

    // MARK: To the agent

    private func told(_ told: (term: UInt64, order: AgentOrder)?) {
        guard let (term, order) = told else {
            return end(RPCStatus(.unavailable, "this node is the master no more"))
        }
        switch order {
        case .registered(let id, let session): registered(id, session, term)
        case .refused(let reason, let isFinal):
            var message = WireMasterMessage()
            message.term = term
            message.refused.reason = reason
            message.refused.final = isFinal
            sendLast(message)
        case .launch, .kill, .acknowledge, .shutdown, .message:
            if let message = WireMasterMessage(order, term: term, facade: service.facade) {
                send(message)
            }
        }
    }

    private func registered(_ id: AgentID, _ session: UInt64, _ term: UInt64) {
        guard case .registering(let connection, let known) = state else { return }
        state = .registered(connection, id)
        var message = WireMasterMessage()
        message.term = term
        message.registered.agentID = id.description
        message.registered.session = session
        message.registered.heartbeatMilliseconds = service.settings.heartbeatMilliseconds
        send(message)
        let facade = service.facade
        let differences = AgentDifferences(
            of: id, known: known.tasks, executors: known.executors.map { $0.key(on: id) },
            in: facade.table)
        for message in differences.orders(term: term) { send(message) }
        for ended in differences.endedExecutors {
            facade.take(
                .executorEnded(ended.key, status: 0, sequence: ended.sequence), from: connection)
        }
    }

    private func send(_ message: WireMasterMessage) {
        guard let bytes: [UInt8] = try? message.serializedBytes() else { return }
        guard call.bufferedBytes + bytes.count <= service.settings.sendBytesMax else {
            return end(
                RPCStatus(.resourceExhausted, "agent session: orders are not read in time"))
        }
        call.send(bytes)
    }

    private func sendLast(_ message: WireMasterMessage) {
        send(message)
        end(.ok)
    }
}
