import API
import ControlPlane
import NIOCore
import NIOPosix
import StateMachine
import Testing

@Suite("Who may see what an agent serves")
struct AgentTicketTests {
    private func withUsers<Answer: Sendable>(
        _ body: @escaping @Sendable (FakeDatacenter) -> Answer
    ) async throws -> Answer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.submit {
            let datacenter = FakeDatacenter(loop)
            datacenter.addUser("root")
            datacenter.addUser("alice")
            datacenter.addUser("bob")
            datacenter.enableUsers()
            return body(datacenter)
        }.get()
    }

    private static let alice = Array("alice".utf8)

    @Test("a ticket says who shows it, to one agent, for two minutes")
    func ticket() async throws {
        let users = try await withUsers { $0.store.auth }
        let ticket = try #require(
            AgentTicket.issue(for: Self.alice, agent: "a", in: users, now: 1_000))
        func user(_ text: some StringProtocol, _ agent: String, _ now: UInt64) -> [UInt8]? {
            AgentTicket.user(of: Substring(text), agent: agent, in: users, now: now)
        }
        #expect(user(ticket, "a", 1_000) == Self.alice)
        #expect(user(ticket, "a", 1_119) == Self.alice)
        #expect(user(ticket, "a", 1_120) == nil)
        #expect(user(ticket, "b", 1_000) == nil)
        let parts = ticket.split(separator: ".")
        let bob = try #require(
            AgentTicket.issue(for: Array("bob".utf8), agent: "a", in: users, now: 1_000))
        let name = bob.split(separator: ".")[0]
        #expect(user("\(name).\(parts[1]).\(parts[2])", "a", 1_000) == nil)
        #expect(user("\(parts[0]).9999999999.\(parts[2])", "a", 1_000) == nil)
        for text in ["", ".", "..", "...", "\(parts[0]).\(parts[1]).", ticket + ".x", "alice"] {
            #expect(user(text, "a", 1_000) == nil, "\(text)")
        }
        #expect(
            AgentTicket.issue(for: Array("nobody".utf8), agent: "a", in: users, now: 1) == nil)
    }

    @Test("a ticket of before a new password counts for nothing")
    func newPassword() async throws {
        let (before, after) = try await withUsers { datacenter in
            let before = datacenter.store.auth
            datacenter.setPassword("alice", "another")
            return (before, datacenter.store.auth)
        }
        let ticket = try #require(
            AgentTicket.issue(for: Self.alice, agent: "a", in: before, now: 1))
        #expect(AgentTicket.user(of: Substring(ticket), agent: "a", in: after, now: 1) == nil)
    }

    @Test("each page has its needs")
    func needs() {
        func keys(_ page: AgentPage) -> [String] {
            page.needs.map { String(decoding: $0.key, as: UTF8.self) }
        }
        #expect(keys(.files) == ["/keelson/local/tasks/", "/keelson/local/launches/"])
        #expect(keys(.state).contains("/keelson/local/agents/"))
        #expect(keys(.metrics) == ["/keelson/local/master"])
        for page in AgentPage.allCases { #expect(page.needs.allSatisfy { $0.verb == .read }) }
    }

    @Test("questions and verdicts are what they were when they have been sent")
    func wire() {
        let question = AgentPageQuestion(
            agent: "a", page: "files", authorization: ["Basic x", "Bearer y"])
        #expect(AgentPageQuestion(question.encoded) == question)
        let verdict = AgentPageVerdict(status: 403, message: "no")
        #expect(AgentPageVerdict(verdict.encoded) == verdict)
        // Nothing, or half of something, is no leave.
        #expect(AgentPageVerdict([]) == nil)
        #expect(AgentPageVerdict([0x08]) == nil)
        #expect(AgentPageVerdict([0x08, 0xC8]) == nil)
        #expect(AgentPageQuestion([0x0A, 9]) == nil)
    }
}
