import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("What the datacenter's master decides (DESIGN §6, the fence)")
struct DecisionTests {
    private func raised() throws -> (trio: Trio, leader: Int) {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        for (node, id) in Trio.ids.enumerated() {
            let attributes = MemberAttributes(
                member: id, name: "n\(id)", clientURLs: [], peerURLs: ["http://\(id)"],
                version: "3.7.0", boot: BootNumber(1), level: .newest)
            _ = trio.propose(node, .memberAttributes, body: attributes.encode())
        }
        trio.tick(10)
        #expect(trio.replicas[leader].store.members.clusterLevel == .newest)
        return (trio, leader)
    }

    private let command = DatacenterCommand.role(
        {
            var record = RoleRecord(role: "eng")
            record.weight = 2000
            return record
        }())

    private func weight(_ trio: Trio, _ node: Int) -> Int64? {
        trio.replicas[node].store.datacenterTable.roles["eng"]?.weight
    }

    @Test("a leader's decision is on record with everybody")
    func decides() throws {
        var (trio, leader) = try raised()
        let sequence = trio.decide(leader, command)
        trio.tick(4)
        guard case .applied(let applied) = trio.outcomes[leader][sequence] else {
            Issue.record("\(String(describing: trio.outcomes[leader][sequence]))")
            return
        }
        #expect(applied.datacenterChanges == [.role("eng")])
        #expect((0..<3).allSatisfy { weight(trio, $0) == 2000 })
    }

    @Test("who does not lead decides nothing, and hands nothing on")
    func followers() throws {
        var (trio, leader) = try raised()
        let other = (leader + 1) % 3
        #expect(!trio.replicas[other].mayDecide && trio.replicas[leader].mayDecide)
        let sequence = trio.decide(other, command)
        trio.tick(4)
        guard case .refused(.leaderChanged) = trio.outcomes[other][sequence] else {
            Issue.record("\(String(describing: trio.outcomes[other][sequence]))")
            return
        }
        #expect((0..<3).allSatisfy { weight(trio, $0) == nil })
    }

    @Test("what was decided before the records are known to all is refused")
    func tooEarly() throws {
        var trio = Trio()
        trio.elect()
        trio.tick(4)
        let leader = try #require(trio.leader)
        let sequence = trio.decide(leader, command)
        trio.tick(4)
        guard case .refused = trio.outcomes[leader][sequence] else {
            Issue.record("\(String(describing: trio.outcomes[leader][sequence]))")
            return
        }
    }

    @Test("a leader that is replaced before it is sure leaves no decision behind")
    func deposed() throws {
        var (trio, leader) = try raised()
        trio.cutOff = [leader]
        let sequence = trio.decide(leader, command)
        trio.tick(100)
        trio.cutOff = []
        trio.tick(40)
        let next = try #require(trio.leader)
        #expect(next != leader)
        #expect((0..<3).allSatisfy { weight(trio, $0) == nil })
        if case .applied(let applied) = trio.outcomes[leader][sequence] {
            Issue.record("\(applied.outcome)")
        }
    }
}
