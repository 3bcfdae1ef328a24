internal import API
internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore
internal import StateMachine

/// The operators' event stream: the whole state, and what changes from there. Any node tells it.
struct OperatorSubscription: Sendable {
    let access: DeskAccess
    let pass: StreamPass
    let encoding: MesosMessage.Encoding

    func run(
        _ writer: consuming ResponseWriter, _ channel: any Channel, _ settings: SurfaceSettings
    ) async throws {
        let outbox = EventOutbox<OperatorNotice>(bytesMax: settings.streamBytesMax) { _ in
            channel.close(promise: nil)
        }
        let name = MasterIdentity.randomUUID()
        try await InboundEnd.watch(channel) { outbox.fail("its connection closed") }
        let held = try await pass.hold(outbox)
        defer { pass.end(held) }
        guard try await begin(name, outbox) else {
            try await SurfaceAnswer.unavailable("Too many subscribers").write(to: writer)
            return outbox.written()
        }
        do {
            try await EventStream.write(outbox, writer, channel, encoding: encoding, headers: [:]) {
                Self.message($0, heartbeatSeconds: Double(settings.heartbeatSeconds))
            }
        } catch {
            access.post { $0.operators.closed(name) }
            throw error
        }
        access.post { $0.operators.closed(name) }
    }

    /// The records of a moment, and behind them all that is applied after it, in one turn of the
    /// loop. The launches of tasks are looked up afterwards: they never change.
    private func begin(
        _ name: String, _ outbox: EventOutbox<OperatorNotice>
    ) async throws -> Bool {
        let snapshot = try await DatacenterSnapshot.take(access, withLaunches: true)
        let launches = snapshot.launches
        return try await access.run { desk in
            var snapshot = DatacenterSnapshot(desk.facade)
            // What was launched since the look-up is looked up here.
            snapshot.launches = launches
            for key in snapshot.table.tasks.keys where launches[key] == nil {
                snapshot.launches[key] = desk.facade.launchInfo(of: key)
            }
            let first = OperatorNotice.subscribed(snapshot)
            outbox.push(first, bytes: first.byteCount)
            return desk.operators.subscribe(name, outbox)
        }
    }

    private static func message(
        _ notice: OperatorNotice, heartbeatSeconds: Double
    ) -> MesosMasterEvent {
        var event = MesosMasterEvent()
        switch notice {
        case .subscribed(let snapshot):
            event.type = .subscribed
            event.subscribed.getState = StateView(snapshot).state()
            event.subscribed.heartbeatIntervalSeconds = heartbeatSeconds
        case .heartbeat: event.type = .heartbeat
        case .taskAdded(let record, let launch):
            event.type = .taskAdded
            event.taskAdded.task = StateView.task(record, launch: launch)
        case .taskUpdated(let record):
            event.type = .taskUpdated
            event.taskUpdated.frameworkID.value = record.key.framework.description
            event.taskUpdated.status = StateView.lastStatus(record)
            event.taskUpdated.state = MesosConversion.state(record.state)
        case .agentAdded(let agent):
            event.type = .agentAdded
            event.agentAdded.agent = StateView.alone.agent(agent)
        case .agentRemoved(let id):
            event.type = .agentRemoved
            event.agentRemoved.agentID.value = id.description
        case .frameworkAdded(let framework):
            event.type = .frameworkAdded
            event.frameworkAdded.framework = StateView.alone.framework(framework, held: [])
        case .frameworkUpdated(let framework):
            event.type = .frameworkUpdated
            event.frameworkUpdated.framework = StateView.alone.framework(framework, held: [])
        case .frameworkRemoved(let record):
            event.type = .frameworkRemoved
            event.frameworkRemoved.frameworkInfo = StateView.info(record)
        }
        return event
    }
}

extension StateView {
    /// Of no records: for one of them by itself.
    static let alone = StateView(DatacenterSnapshot(table: DatacenterTable()))
}

extension DatacenterSnapshot {
    init(table: DatacenterTable) {
        self.table = table
        revision = 0
        isLeading = false
        offers = []
    }
}
