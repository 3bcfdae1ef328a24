internal import API
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import Scheduling
internal import StateMachine

/// SUBSCRIBE: waits for a leader, subscribes, and writes what the framework is told until it ends.
struct SchedulerSubscription: Sendable {
    let access: DeskAccess
    let pass: StreamPass
    let identity: MasterIdentity
    let checked: SchedulerAPI.Checked
    let target: String

    private enum Start: Sendable {
        case answer(SurfaceAnswer)
        /// Mesos tells these on a stream.
        case error(String)
        case stream(name: String)
    }

    func run(
        _ writer: consuming ResponseWriter, _ channel: any Channel, _ settings: SurfaceSettings
    ) async throws {
        let outbox = EventOutbox<SchedulerNotice>(bytesMax: settings.streamBytesMax) { _ in
            // A write that is stuck ends by it.
            channel.close(promise: nil)
        }
        // A client that goes while it waits must not be subscribed afterwards: it may be back on
        // another connection already.
        try await InboundEnd.watch(channel) { outbox.fail("its connection closed") }
        let held = try await pass.hold(outbox)
        defer { pass.end(held) }
        switch try await start(outbox) {
        case .answer(let answer):
            try await answer.write(to: writer)
            outbox.written()
        case .error(let reason):
            outbox.push(.event(.error(reason)), bytes: 0)
            outbox.finish()
            try await write(outbox, writer, channel, name: MasterIdentity.randomUUID())
        case .stream(let name):
            do {
                try await write(outbox, writer, channel, name: name)
            } catch {
                access.post { $0.schedulers.closed(name, "its connection failed") }
                throw error
            }
            access.post { $0.schedulers.closed(name, "its connection closed") }
        }
    }

    private func start(_ outbox: EventOutbox<SchedulerNotice>) async throws -> Start {
        switch try await access.runAsync({ $0.leadership.ask() }) {
        case .there(let place): return .answer(.redirect(to: place, target))
        case .nobody(let reason): return .answer(.unavailable(reason))
        case .here: break
        }
        let message = checked.call.subscribe
        let caller = pass.caller
        let known = FrameworkID(message.frameworkInfo.id.value)
        let principal = try await access.run {
            $0.callers.principal(of: caller, subscribing: known)
        }
        let subscription: Subscription
        do throws(MesosConversionError) {
            subscription = try MesosConversion.subscription(
                message.frameworkInfo, suppressedRoles: message.suppressedRoles,
                constraints: message.offerConstraints,
                newID: FrameworkID(MasterIdentity.randomUUID()), principal: principal)
        } catch {
            return .error(error.description)
        }
        if subscription.id == ServiceFramework.id {
            return .error(
                "Framework id '\(subscription.id)' is the services' own: subscribe without an id")
        }
        let name = MasterIdentity.randomUUID()
        let isSubscribed = try await access.run {
            $0.schedulers.subscribe(subscription, name: name, outbox)
        }
        return isSubscribed
            ? .stream(name: name) : .answer(.unavailable("Subscribe again: the master is another"))
    }

    private func write(
        _ outbox: EventOutbox<SchedulerNotice>, _ writer: consuming ResponseWriter,
        _ channel: any Channel, name: String
    ) async throws {
        let info = checked.call.subscribe.frameworkInfo
        let maker = SchedulerEventMaker(
            master: identity.info, tellsAllocation: info.isMultiRole,
            format: info.has(.reservationRefinement) ? .refined : .roles)
        try await EventStream.write(
            outbox, writer, channel, encoding: checked.encoding, headers: [.streamID: name]
        ) { notice in
            maker.message(notice, now: MasterIdentity.now)
        }
    }
}
