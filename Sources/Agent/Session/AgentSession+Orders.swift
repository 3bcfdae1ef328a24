internal import API
internal import AgentLogic
internal import Foundation
internal import KeelsonClient
internal import NIOCore
internal import Primitives
internal import RPC
internal import SwiftProtobuf

/// What masters say.
extension AgentSession {
    func received(_ bytes: [UInt8]) {
        guard let message = try? WireMasterMessage(serializedBytes: bytes),
            let order = message.order
        else { return lost("a message of the master's is malformed") }
        switch state {
        case .registering(let stream): answered(order, message.term, stream)
        case .registered: take(order, message.term)
        case .away, .ended: break
        }
    }

    private func answered(
        _ order: WireMasterMessage.OneOf_Order, _ term: UInt64, _ stream: ClientStream
    ) {
        switch order {
        case .registered(let registered):
            guard hears(term) else { return }
            self.registered(registered, term, stream)
        case .redirect(let redirect):
            plan.redirected(to: redirect.clientUrls.compactMap { try? Endpoint($0) })
            lost("another node is the master")
        case .refused(let refused) where refused.final: end(.refused(refused.reason))
        case .refused(let refused):
            // One that knows no leader is no reason to let the others wait.
            if term != 0 { plan.refused() }
            lost(refused.reason)
        case .launch, .kill, .acknowledge, .shutdownExecutor, .frameworkMessage, .reconcile:
            lost("the master gives orders before it has registered us")
        }
    }

    /// Whether a master is none that was deposed. The task runner asks the same again, from what it
    /// has on disk.
    private func hears(_ term: UInt64) -> Bool {
        guard term >= highestTerm else {
            lost("the master of term \(term) was deposed: there was one of \(highestTerm)")
            return false
        }
        highestTerm = term
        return true
    }

    private func registered(
        _ registered: WireRegistered, _ term: UInt64, _ stream: ClientStream
    ) {
        do {
            let id = try AgentID(registered.agentID)
            if let own = identity.id, own != id {
                return end(.refused("the cluster calls agent \(own) by the name \(id)"))
            }
            if runner == nil { try startRunner(id) }
        } catch {
            return end(.failed(error))
        }
        settled(stream, heartbeatMillis: registered.heartbeatMilliseconds)
        settings.log("registered as agent \(registered.agentID) with the master of term \(term)")
        runner?.give(.connected(Term(term)))
        guard let runner, !listedExecutors.isEmpty else { return }
        let (mark, _, living) = runner.registration
        // What ended since the master was told of it.
        for key in listedExecutors where !living.contains(key) {
            sayEnded(key, status: 0, sequence: mark.sequence)
        }
    }

    private func take(_ order: WireMasterMessage.OneOf_Order, _ term: UInt64) {
        guard hears(term), let runner else { return }
        switch order {
        case .launch(let launch): self.launch(launch, term, runner)
        case .kill(let kill):
            guard let key = TaskKey(kill.task) else { return }
            // Zero: as the task itself says.
            let grace = kill.graceMilliseconds == 0 ? nil : kill.graceMilliseconds
            let stamp = stamp(term, kill.task.sequence, runner)
            runner.give(.kill(KillOrder(stamp: stamp, key: key, graceMillis: grace)))
        case .acknowledge(let acknowledge):
            guard let key = TaskKey(acknowledge.task),
                let id = UpdateID(bytes: Array(acknowledge.uuid))
            else { return }
            runner.give(.acknowledge(key, id))
        case .reconcile(let reconcile): self.reconcile(reconcile.tasks, term, runner)
        case .shutdownExecutor(let shutdown):
            guard let key = ExecutorKey(shutdown.executor) else { return }
            runner.give(.executor(.shutDown(key)))
        case .frameworkMessage(let message):
            guard let key = ExecutorKey(message.executor) else { return }
            runner.give(.executor(.told(key, Array(message.data))))
        case .refused(let refused):
            if refused.final { end(.refused(refused.reason)) } else { lost(refused.reason) }
        case .redirect(let redirect):
            plan.redirected(to: redirect.clientUrls.compactMap { try? Endpoint($0) })
            lost("another node is the master now")
        case .registered: lost("the master registers us twice")
        }
    }

    /// What comes over a session is meant for this life of the agent.
    private func stamp(_ term: UInt64, _ sequence: UInt64, _ runner: TaskRunner) -> OrderStamp {
        OrderStamp(term: Term(term), sequence: sequence, life: runner.life)
    }

    // MARK: Launches

    private func launch(_ launch: WireLaunch, _ term: UInt64, _ runner: TaskRunner) {
        let tasks = launch.tasks
        guard let first = tasks.first else { return }
        for (place, task) in tasks.enumerated()
        where task.sequence != first.sequence &+ UInt64(place) {
            return lost("the launch of \(task.sequence) is out of its group's order")
        }
        do throws(AgentError) {
            let (specs, executor) = try TaskTranslation.launch(
                launch, runsExecutors: settings.description.localEndpoint != nil)
            let stamp = stamp(term, first.sequence, runner)
            runner.give(
                .launch(LaunchOrder(stamp: stamp, tasks: specs, executor: executor)))
        } catch {
            refuse(tasks, "\(error)", runner)
        }
    }

    /// Tasks that can run on no agent of this version: the same answer as often as it is asked.
    private func refuse(_ tasks: [WireLaunchTask], _ why: String, _ runner: TaskRunner) {
        guard let agent = identity.id else { return }
        for task in tasks {
            let info = try? MesosTaskInfo(
                serializedBytes: Array(task.taskInfo), partial: true)
            queue(
                WireStatus(
                    framework: task.frameworkID, task: info?.taskID.value ?? "",
                    sequence: task.sequence, agent: agent, uuid: .drawn(), .error, .taskInvalid,
                    why, atMillis: MachineClock.wallMillis))
        }
        guard let last = tasks.last, let framework = try? FrameworkID(last.frameworkID),
            let executor = try? ExecutorID(last.executorID)
        else { return }
        let key = ExecutorKey(framework: framework, executor: executor)
        guard !runner.registration.executors.contains(key) else { return }
        sayEnded(key, status: 0, sequence: last.sequence)
    }

    // MARK: Executors

    /// Of an executor that does not run here (any more). Without a session it goes nowhere: the
    /// next one begins with those that live.
    func sayEnded(_ key: ExecutorKey, status: Int32, sequence: UInt64) {
        guard case .registered(let stream) = state else { return }
        // What was said of its tasks comes first.
        flush()
        var message = WireAgentMessage()
        message.executorEnded.executor = WireExecutorName(key)
        message.executorEnded.status = status
        message.executorEnded.sequence = sequence
        send(message, on: stream)
    }

    /// An executor's message to its scheduler: as in Mesos nobody sees to it that it arrives.
    func say(_ data: [UInt8], of key: ExecutorKey) {
        guard case .registered(let stream) = state else { return }
        flush()
        var message = WireAgentMessage()
        message.executorMessage.executor = WireExecutorName(key)
        message.executorMessage.data = Data(data)
        send(message, on: stream)
    }

    // MARK: Reconciliation

    private func reconcile(_ names: [WireTaskName], _ term: UInt64, _ runner: TaskRunner) {
        let (mark, records, _) = runner.registration
        let plan = ReconciliationPlan(records: records, mark: mark)
        for name in names {
            guard let key = TaskKey(name), let agent = identity.id else { continue }
            switch plan.answer(to: key, sequence: name.sequence) {
            case .latest:
                let stamp = stamp(term, name.sequence, runner)
                runner.give(.reconcile(ReconcileOrder(stamp: stamp, keys: [key])))
            case .lost:
                queue(
                    WireStatus(
                        framework: name.frameworkID, task: name.taskID, sequence: name.sequence,
                        agent: agent, uuid: .drawn(), .lost, .taskUnknown,
                        "the agent has no record of this launch",
                        atMillis: MachineClock.wallMillis))
            case .silence: break
            }
        }
    }

    // MARK: What the tasks say

    func heard(_ message: AgentMessage) {
        switch message {
        case .status(let update), .answer(let update):
            guard let agent = identity.id else { return }
            queue(WireStatus(update, agent: agent))
        case .refused(.staleTerm(let term, let highest)):
            if isRegistered { lost("the master of term \(term) was deposed by \(highest)") }
        case .refused(let refusal): settings.log("an order had no effect: \(refusal)")
        case .executor(let effect): executors.perform(effect)
        case .stopped(let error): end(.failed(error))
        }
    }

    /// Without a session it goes nowhere: whoever is the master next will ask.
    private func queue(_ status: WireStatus) {
        guard isRegistered else { return }
        statuses.append(status)
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.execute { [weak self] in
            self?.isFlushScheduled = false
            self?.flush()
        }
    }

    /// What one message has at most of statuses, about, with what a node takes in mind.
    private static let statusesMax = 200
    private static let statusBytesMax = 512 << 10

    private func flush() {
        guard case .registered(let stream) = state else { return }
        var rest = statuses[...]
        statuses = []
        while !rest.isEmpty {
            var message = WireAgentMessage()
            var bytes = 0
            while let next = rest.first, bytes < Self.statusBytesMax,
                message.statuses.statuses.count < Self.statusesMax
            {
                bytes += next.status.count
                message.statuses.statuses.append(next)
                rest.removeFirst()
            }
            send(message, on: stream)
        }
    }
}

extension TaskKey {
    /// Nil for what is no task's name.
    fileprivate init?(_ name: WireTaskName) {
        guard let framework = try? FrameworkID(name.frameworkID),
            let task = try? TaskID(name.taskID)
        else { return nil }
        self.init(framework: framework, task: task)
    }
}

extension ExecutorKey {
    /// Nil for what is no executor's name.
    fileprivate init?(_ name: WireExecutorName) {
        guard let framework = try? FrameworkID(name.frameworkID),
            let executor = try? ExecutorID(name.executorID)
        else { return nil }
        self.init(framework: framework, executor: executor)
    }
}

extension WireExecutorName {
    init(_ key: ExecutorKey) {
        self.init()
        frameworkID = key.framework.text
        executorID = key.executor.text
    }
}

extension UpdateID {
    fileprivate static func drawn() -> UpdateID {
        UpdateID(high: UInt64.random(in: 0 ... .max), low: UInt64.random(in: 0 ... .max))
    }

    /// The reverse of ``bytes``.
    init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        let number = { (part: ArraySlice<UInt8>) in part.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: number(bytes[..<8]), low: number(bytes[8...]))
    }
}

extension TaskRunner {
    /// The life that orders are for.
    var life: UInt64 { registration.mark.life }
}
