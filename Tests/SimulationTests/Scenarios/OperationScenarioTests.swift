import Simulation
import StateMachine
import Testing

@Suite("Scenarios: operations")
struct OperationScenarioTests {
    private static let hash = Array("hash".utf8)

    /// Two users, of whom one may do everything to half of the keys and the other read all.
    private func enable(_ stage: Stage, through node: Int) throws {
        let root = Array("root".utf8)
        let all = KeyPermission(kind: .read, key: [0], rangeEnd: [0])
        let half = KeyPermission(kind: .readWrite, key: Array("k".utf8), rangeEnd: Array("k5".utf8))
        for command in [
            .addUser(root, hash: Self.hash), .grantRole(root, to: root),
            .addUser(stage.user(0), hash: Self.hash), .addUser(stage.user(1), hash: Self.hash),
            .addRole(stage.user(0)), .addRole(stage.user(1)),
            .grantRole(stage.user(0), to: stage.user(0)),
            .grantRole(stage.user(1), to: stage.user(1)),
            .grantPermission(half, to: stage.user(0)), .grantPermission(all, to: stage.user(1)),
            .enable,
        ] as [AuthCommand] {
            stage.perform(command, through: node)
        }
        let isOn = try stage.play(atMost: 5 * second) { stage.asksWho(node) }
        #expect(isOn != nil)
    }

    @Test("O07 calls whose end nobody knows take effect once, or not at all", arguments: seeds)
    func ambiguousCalls(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.thinkMicros = 500
            $0.clientCount = 12
        }
        for round in 0..<12 {
            let leader = try stage.settle()
            stage.pinAll(to: round % 2 == 0 ? leader : (leader + 1) % 3)
            try stage.play(100_000)
            // What was taken in last reaches nobody, and whoever took it goes.
            stage.isolate(leader)
            try stage.play(20_000 + round * 7919)
            stage.kill(leader)
            stage.healNetwork()
            try stage.play(2 * stage.electionMicros)
            stage.start(leader)
        }
        #expect(stage.times(.writeUnknown) > 20)
        try stage.finish()
    }

    @Test("O08 users and roles change while members are cut off: all judge alike", arguments: seeds)
    func usersAcrossCuts(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.userCount = 2 }
        let leader = try stage.settle()
        let behind = (leader + 1) % 3
        let other = (leader + 2) % 3
        stage.isolate(behind)
        try enable(stage, through: leader)
        #expect(!stage.asksWho(behind))
        try stage.play(5 * second)
        #expect(stage.times(.permissionRefused) > 0)
        stage.perform(.changePassword(stage.user(0), hash: Self.hash), through: leader)
        stage.perform(.revokeRole(stage.user(1), from: stage.user(1)), through: leader)
        try stage.play(5 * second)
        stage.healNetwork()
        let caughtUp = try stage.play(atMost: 10 * second) { stage.asksWho(behind) }
        #expect(caughtUp != nil)

        // What a leader takes that leads nobody any more counts nowhere.
        let old = try stage.settle()
        stage.isolate(old)
        let lost = stage.perform(.disable, through: old)
        let elected = try stage.play(atMost: 20 * stage.electionMicros) {
            stage.leader.map { $0 != old } ?? false
        }
        #expect(elected != nil)
        let next = try #require(stage.leader)
        stage.perform(.deleteUser(stage.user(1)), through: next)
        stage.perform(.disable, through: next)
        try stage.play(2 * second)
        #expect(!stage.asksWho(next))
        stage.perform(.enable, through: next)
        try stage.play(5 * second)
        stage.healNetwork()
        try stage.play(5 * second)
        #expect(!lost.isDone)
        for node in [old, next, other] { #expect(stage.asksWho(node)) }
        try stage.finish()
    }
}
