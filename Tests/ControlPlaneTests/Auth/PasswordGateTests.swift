import ControlPlane
import NIOCore
import NIOPosix
import StateMachine
import Testing

@Suite("Passwords that come with each request")
struct PasswordGateTests {
    /// A gate and the users that it judges by, on an event loop.
    private final class Desk: @unchecked Sendable {
        let loop: any EventLoop
        let datacenter: FakeDatacenter
        let gate: PasswordGate

        init(_ loop: any EventLoop) {
            self.loop = loop
            datacenter = FakeDatacenter(loop)
            gate = PasswordGate(eventLoop: loop)
            datacenter.addUser("root")
            datacenter.addUser("alice")
            datacenter.enableUsers()
        }

        func judge(_ name: String, _ password: String) async throws -> PasswordGate.Verdict {
            try await loop.flatSubmit { [self] in
                let promise = loop.makePromise(of: PasswordGate.Verdict.self)
                gate.judge(
                    Array(name.utf8), Array(password.utf8), from: "here",
                    in: { [datacenter] in datacenter.store.auth }
                ) { promise.succeed($0) }
                return promise.futureResult
            }.get()
        }

        var hashes: Int {
            get async throws { try await loop.submit { [self] in gate.hashCount }.get() }
        }

        func change(_ body: @escaping @Sendable (FakeDatacenter) -> Void) async throws {
            try await loop.submit { [self] in body(datacenter) }.get()
        }
    }

    private func makeDesk() async throws -> Desk {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.submit { Desk(loop) }.get()
    }

    private static func isRight(_ verdict: PasswordGate.Verdict) -> Bool {
        if case .right = verdict { true } else { false }
    }

    @Test("a right password is hashed once, a wrong one and an unknown user each time")
    func remembered() async throws {
        let desk = try await makeDesk()
        for _ in 0..<3 { #expect(Self.isRight(try await desk.judge("alice", "alice"))) }
        #expect(try await desk.hashes == 1)
        for _ in 0..<2 { #expect(try await desk.judge("alice", "wrong") == .wrong) }
        #expect(try await desk.judge("nobody", "alice") == .wrong)
        #expect(try await desk.hashes == 4)
        let long = String(repeating: "x", count: 5_000)
        #expect(try await desk.judge("alice", long) == .wrong)
    }

    @Test("what is remembered ends with the password, and with the user")
    func forgotten() async throws {
        let desk = try await makeDesk()
        #expect(Self.isRight(try await desk.judge("alice", "alice")))
        try await desk.change { datacenter in
            let hash = PasswordHash.make(Array("other".utf8))
            datacenter.apply(
                .auth, AuthCommand.changePassword(Array("alice".utf8), hash: hash).encode())
        }
        #expect(try await desk.judge("alice", "alice") == .wrong)
        #expect(Self.isRight(try await desk.judge("alice", "other")))
        try await desk.change { datacenter in
            datacenter.apply(.auth, AuthCommand.deleteUser(Array("alice".utf8)).encode())
        }
        #expect(try await desk.judge("alice", "other") == .wrong)
    }

    @Test("many who bring the same password at once wait for one hash; too many others are refused")
    func together() async throws {
        let desk = try await makeDesk()
        try await withThrowingTaskGroup(of: PasswordGate.Verdict.self) { group in
            for _ in 0..<20 { group.addTask { try await desk.judge("alice", "alice") } }
            for try await verdict in group { #expect(Self.isRight(verdict)) }
        }
        #expect(try await desk.hashes == 1)
        try await withThrowingTaskGroup(of: PasswordGate.Verdict.self) { group in
            for place in 0..<20 { group.addTask { try await desk.judge("alice", "w\(place)") } }
            var busy = 0
            for try await verdict in group where verdict == .busy { busy += 1 }
            #expect(busy > 0, "one place cannot fill the line")
        }
    }
}
