internal import API
package import Scheduling
package import StateMachine

extension MesosConversion {
    /// What an agent is to the allocator, by what it says of itself. Its resources and whether it
    /// is there are the record's to say.
    package static func traits(_ record: AgentRecord) -> AllocatorAgent {
        let info = decoded(MesosAgentInfo.self, record.info)
        let domain = info.domain.faultDomain
        return AllocatorAgent(
            total: record.total, hostname: ByteText(info.hostname),
            region: info.hasDomain ? ByteText(domain.region.name) : nil,
            zone: info.hasDomain ? ByteText(domain.zone.name) : nil,
            attributes: info.attributes.prefix(AllocatorLimits.attributesMax).compactMap(attribute))
    }

    /// Nil for one without a value that can be compared.
    private static func attribute(_ message: MesosAttribute) -> AgentAttribute? {
        let value: AgentAttribute.Value
        switch message.type {
        case .text: value = .text(ByteText(message.text.value))
        case .scalar:
            let thousandths = (message.scalar.value * 1_000).rounded()
            guard abs(thousandths) <= Double(ResourceLimits.amountMax) else { return nil }
            value = .scalar(Int64(thousandths))
        case .ranges:
            let pairs = message.ranges.range.map { ($0.begin, $0.end) }
            guard let ranges = try? ResourceRanges(pairs) else { return nil }
            value = .ranges(ranges)
        case .set: value = .items(message.set.item.map { ByteText($0) }.sorted())
        }
        return AgentAttribute(ByteText(message.name), value)
    }

    /// mesos.v1.AgentInfo as others are to see it.
    static func agentInfo(_ record: AgentRecord, _ format: ReservationFormat) -> MesosAgentInfo {
        var info = decoded(MesosAgentInfo.self, record.info)
        info.id.value = record.id.description
        info.resources = messages(record.total, format)
        if let place = ServicePlace(String(decoding: record.url, as: UTF8.self)) {
            if !info.hasHostname || info.hostname.isEmpty { info.hostname = place.host }
            info.port = Int32(place.port)
        }
        return info
    }
}
