import Scheduling
import StateMachine
import Testing

@Suite("The datacenter's master: operators change what an agent has")
final class MasterResourcesTests {
    private let desk = MasterDesk()

    private func reserved(_ text: String) throws -> Resources {
        var entries = try ResourcesParser.parse(text).entries
        for place in entries.indices {
            entries[place].reservations = [Reservation(.dynamic, role: "web")]
        }
        return try Resources(entries)
    }

    private var rescinded: [OfferID] {
        desk.events.compactMap { if case .rescind(let id) = $0.1 { id } else { nil } }
    }

    @Test("an offer of what becomes another's is taken back, and what is left is offered")
    func rescinds() throws {
        try desk.registers(1)
        desk.subscribes(1)
        desk.tick()
        let offer = try #require(desk.offers(to: 1).first)
        let agent = offer.agent
        desk.operate(.operate(agent, [.reserve(try reserved("cpus:1"))]))
        #expect(rescinded == [offer.id])
        desk.tick()
        let next = try #require(desk.offers(to: 1).last)
        #expect(next.id != offer.id && next.resources.cpus == 3_000)
        #expect(desk.master.offerTimes[next.id] == desk.now)
    }

    @Test("an offer that is there still stays")
    func stays() throws {
        try desk.registers(1)
        let agent = try #require(desk.table.agentIDs.first)
        let kept = try reserved("cpus:4;mem:4096")
        desk.operate(.operate(agent, [.reserve(kept)]))
        desk.operate(.operate(agent, [.unreserve(try reserved("cpus:2;mem:2048"))]))
        desk.subscribes(1)
        desk.tick()
        let offer = try #require(desk.offers(to: 1).first)
        #expect(offer.resources.cpus == 2_000)
        desk.operate(.operate(agent, [.unreserve(try reserved("cpus:2;mem:2048"))]))
        #expect(rescinded.isEmpty)
    }
}
