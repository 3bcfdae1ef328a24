import Scheduling
import StateMachine

/// What an agent of a simulated datacenter has, and where it stands: what constraints of services
/// compare.
struct SimulatedPlace {
    static let racks = 2

    /// What the agent registers with.
    let total: String
    let info: [UInt8]

    init(agent number: Int, of settings: RunSettings) {
        guard settings.serviceCount > 0 else {
            total = "cpus:4;mem:1024"
            info = [1]
            return
        }
        total = "cpus:4;mem:1024;ports:[31000-31063]"
        info = Array("h\(number) r\(number % Self.racks)".utf8)
    }

    private static func word(_ place: Int, of record: AgentRecord) -> ByteText? {
        let words = record.info.split(separator: UInt8(ascii: " "))
        guard words.count == 2 else { return nil }
        return ByteText(String(decoding: words[place], as: UTF8.self))
    }

    /// What a constraint on `field` compares; nil where the agent has nothing of that name.
    static func value(of field: ByteText, _ record: AgentRecord) -> ByteText? {
        switch field {
        case "hostname": word(0, of: record)
        case "rack": word(1, of: record)
        default: nil
        }
    }

    /// As masters read it.
    static func traits(of record: AgentRecord) -> AllocatorAgent {
        var agent = AllocatorAgent(total: record.total)
        if let host = word(0, of: record) { agent.hostname = host }
        if let rack = word(1, of: record) {
            agent.attributes = [AgentAttribute("rack", .text(rack))]
        }
        return agent
    }
}
