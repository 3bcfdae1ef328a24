package import API
internal import Foundation
package import Scheduling
package import StateMachine

/// What goes out on a scheduler's stream, before it is a message: the event loop of the node puts
/// it in, and the stream's own task makes bytes of it.
package enum SchedulerNotice: Sendable, Equatable {
    case event(SchedulerEvent)
    case offers([OfferNotice])
    case heartbeat

    package struct OfferNotice: Sendable, Equatable {
        package var offer: MasterOffer
        /// As it was when the offer was made; nil where it is gone already.
        package var agent: AgentRecord?
        /// The framework's, on that agent.
        package var executors: [ExecutorID]

        package init(offer: MasterOffer, agent: AgentRecord?, executors: [ExecutorID]) {
            self.offer = offer
            self.agent = agent
            self.executors = executors
        }
    }

    /// About what it takes while it waits.
    package var byteCount: Int {
        switch self {
        case .heartbeat: 32
        case .offers(let offers):
            offers.reduce(64) { $0 + 1_024 + ($1.agent?.info.count ?? 0) }
        case .event(.update(let update)): 512 + update.body.count + update.message.utf8.count
        case .event(.message(_, _, let data)): 256 + data.count
        case .event(.error(let message)): 128 + message.utf8.count
        case .event(.subscribed), .event(.offers), .event(.rescind), .event(.failure): 256
        }
    }
}

/// Makes a scheduler's messages of what its stream is told.
package struct SchedulerEventMaker: Sendable {
    package static let heartbeatSeconds = 15.0

    package var master: MesosMasterInfo
    /// Whether it is told what its offers are allocated to, as those with MULTI_ROLE are.
    package var tellsAllocation: Bool
    package var format: MesosConversion.ReservationFormat

    package init(
        master: MesosMasterInfo, tellsAllocation: Bool, format: MesosConversion.ReservationFormat
    ) {
        self.master = master
        self.tellsAllocation = tellsAllocation
        self.format = format
    }

    /// - Parameter now: seconds since 1970, for what bears no time of its own.
    package func message(_ notice: SchedulerNotice, now: Double) -> MesosSchedulerEvent {
        var message = MesosSchedulerEvent()
        switch notice {
        case .heartbeat: message.type = .heartbeat
        case .offers(let offers):
            message.type = .offers
            message.offers.offers = offers.map(offer)
        case .event(let event): fill(&message, event, now)
        }
        return message
    }

    private func fill(_ message: inout MesosSchedulerEvent, _ event: SchedulerEvent, _ now: Double)
    {
        switch event {
        case .subscribed(let id):
            message.type = .subscribed
            message.subscribed.frameworkID.value = id.description
            message.subscribed.heartbeatIntervalSeconds = Self.heartbeatSeconds
            message.subscribed.masterInfo = master
        case .offers(let offers):
            message.type = .offers
            message.offers.offers = offers.map {
                offer(.init(offer: $0, agent: nil, executors: []))
            }
        case .rescind(let id):
            message.type = .rescind
            message.rescind.offerID.value = id.description
        case .update(let update):
            message.type = .update
            message.update.status = MesosConversion.status(update, now: now)
        case .message(let agent, let executor, let data):
            message.type = .message
            message.message.agentID.value = agent.description
            message.message.executorID.value = executor.description
            message.message.data = Data(data)
        case .failure(let agent, let executor, let status):
            message.type = .failure
            message.failure.agentID.value = agent.description
            if let executor { message.failure.executorID.value = executor.description }
            if let status { message.failure.status = status }
        case .error(let reason):
            message.type = .error
            message.error.message = reason
        }
    }

    private func offer(_ notice: SchedulerNotice.OfferNotice) -> MesosOffer {
        MesosConversion.offer(
            notice.offer, on: notice.agent, executors: notice.executors,
            tellsAllocation: tellsAllocation, format)
    }
}

extension MesosConversion {
    static func offer(
        _ offer: MasterOffer, on agent: AgentRecord?, executors: [ExecutorID] = [],
        tellsAllocation: Bool, _ format: ReservationFormat
    ) -> MesosOffer {
        var message = MesosOffer()
        message.id.value = offer.id.description
        message.frameworkID.value = offer.framework.description
        message.agentID.value = offer.agent.description
        message.resources = messages(
            offer.resources, allocatedTo: tellsAllocation ? offer.role : nil, format)
        if tellsAllocation { message.allocationInfo.role = offer.role.text }
        message.executorIds = executors.map { id in
            var message = MesosExecutorID()
            message.value = id.description
            return message
        }
        guard let agent else {
            message.hostname = ""
            return message
        }
        let info = agentInfo(agent, format)
        message.hostname = info.hostname
        message.attributes = info.attributes
        if info.hasDomain { message.domain = info.domain }
        if let place = ServicePlace(String(decoding: agent.url, as: UTF8.self)) {
            message.url.scheme = place.isSecure ? "https" : "http"
            message.url.address = place.address
            message.url.path = "/slave(1)"
        }
        return message
    }
}
