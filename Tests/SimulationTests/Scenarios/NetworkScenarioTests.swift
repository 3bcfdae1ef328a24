import Simulation
import Testing

/// Times of the stages are in microseconds.
let second = 1_000_000

@Suite("Scenarios: network")
struct NetworkScenarioTests {
    @Test("N01 an isolated leader serves nothing, and a new one leads", arguments: seeds)
    func isolatedLeader(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let old = try stage.settle()
        stage.pin(client: 0, to: old)
        for client in 1..<stage.clientCount { stage.pin(client: client, to: (old + 1) % 3) }
        try stage.play(second)
        stage.isolate(old)
        let cut = stage.now
        let took = try stage.play(atMost: 3 * stage.electionMicros) {
            stage.leader != old && stage.wrote(since: cut, by: 1) > 0
        }
        #expect(took != nil, "nobody took writes within three election timeouts")
        #expect(!stage.isLeader(old) || stage.term(of: old) < stage.highestTerm)
        let led = stage.now
        try stage.play(20 * second)
        #expect(!stage.isLeader(old))
        for operation in stage.operations(since: cut + stage.electionMicros, by: 0) {
            #expect([.failed, .readLocally].contains(operation.outcome))
        }
        #expect(stage.wrote(since: led, by: 1) > 100)
        try stage.finish()
    }

    @Test("N02 one link of three is cut: writes go on and terms do not climb", arguments: seeds)
    func oneLink(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let term = stage.highestTerm
        stage.pinAll(to: (leader + 2) % 3)
        stage.cut(leader, (leader + 1) % 3)
        let cut = stage.now
        try stage.play(60 * second)
        #expect(stage.highestTerm <= term + 1)
        #expect(stage.wrote(since: cut) > 500)
        try stage.finish()
    }

    @Test("N03 of five, two hang off single links: one leader stays", arguments: seeds)
    func singleLinks(seed: UInt64) throws {
        let stage = Stage(nodes: 5, seed: seed)
        _ = try stage.settle()
        stage.leaveOnly([(0, 1), (1, 2), (0, 2), (0, 3), (1, 4)])
        try stage.play(10 * second)
        _ = try stage.settle()
        let term = stage.highestTerm
        stage.pinAll(to: 2)
        try stage.play(10 * second)
        let mark = stage.now
        try stage.play(60 * second)
        #expect(stage.highestTerm == term)
        #expect(stage.wrote(since: mark) > 500)
        try stage.finish()
    }

    @Test("N04 quorum loss: who reaches everybody takes over from the leader", arguments: seeds)
    func quorumLoss(seed: UInt64) throws {
        let stage = Stage(nodes: 5, seed: seed)
        let leader = try stage.settle()
        let middle = (leader + 1) % 5
        stage.leaveOnly((0..<5).filter { $0 != middle }.map { (middle, $0) })
        stage.pinAll(to: middle)
        let cut = stage.now
        let took = try stage.play(atMost: 6 * stage.electionMicros) {
            stage.leader == middle && stage.wrote(since: cut) > 0
        }
        #expect(took != nil, "n\(middle + 1) does not lead")
        let term = stage.highestTerm
        try stage.play(30 * second)
        #expect(stage.highestTerm == term)
        try stage.finish()
    }

    @Test("N04 a chain: the leader at its end stays", arguments: seeds)
    func chain(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let term = stage.highestTerm
        stage.cut(leader, (leader + 2) % 3)
        stage.pinAll(to: (leader + 1) % 3)
        try stage.play(2 * second)
        let mark = stage.now
        try stage.play(30 * second)
        #expect(stage.highestTerm <= term + 1)
        #expect(stage.wrote(since: mark) > 500)
        try stage.finish()
    }

    /// Who alone reaches a majority lacks entries: nobody can be elected, and PreVote does not
    /// change that. The documented refusal: it takes no writes, and loses none.
    @Test("N04 constrained election: a stale middle leads nobody", arguments: seeds)
    func constrainedElection(seed: UInt64) throws {
        let stage = Stage(nodes: 5, seed: seed)
        let leader = try stage.settle()
        let middle = (leader + 1) % 5
        stage.isolate(middle)
        try stage.play(2 * second)
        let term = stage.highestTerm
        stage.healNetwork()
        stage.leaveOnly((0..<5).filter { $0 != middle && $0 != leader }.map { (middle, $0) })
        stage.isolate(leader)
        let caughtUp = try stage.play(atMost: 10 * second) { stage.leader == middle }
        if caughtUp != nil { #expect(stage.applied(middle) > 0) }
        #expect(stage.highestTerm <= term + 3)
        stage.healNetwork()
        _ = try stage.settle()
        try stage.finish()
    }

    @Test("N05 a deaf leader steps down and serves no read behind that", arguments: seeds)
    func deafLeader(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let old = try stage.settle()
        stage.pin(client: 0, to: old)
        stage.deafen(old)
        let deaf = stage.now
        let took = try stage.play(atMost: 3 * stage.electionMicros) { !stage.isLeader(old) }
        #expect(took != nil, "it still leads after three election timeouts")
        let down = stage.now
        let next = try stage.play(atMost: 3 * stage.electionMicros) {
            stage.leader != nil && stage.leader != old && stage.wrote(since: down) > 0
        }
        #expect(next != nil, "nobody else leads")
        try stage.play(10 * second)
        for operation in stage.operations(since: deaf + 1000, by: 0) {
            #expect([.failed, .readLocally].contains(operation.outcome))
        }
        try stage.finish()
    }

    @Test("N06 a deaf follower brings about no elections", arguments: seeds)
    func deafFollower(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let term = stage.highestTerm
        stage.pinAll(to: (leader + 2) % 3)
        stage.deafen((leader + 1) % 3)
        let mark = stage.now
        try stage.play(60 * second)
        #expect(stage.leader == leader)
        #expect(stage.term(of: leader) == term)
        #expect(stage.wrote(since: mark) > 500)
        try stage.finish()
    }

    @Test("N07 links stop one by one and heal in another order", arguments: seeds)
    func swizzle(seed: UInt64) throws {
        let stage = Stage(nodes: 5, seed: seed)
        _ = try stage.settle()
        let pairs = (0..<5).flatMap { a in (a..<5).dropFirst().map { (a, $0) } }
        let step = [3, 7, 9][Int(seed % 3)]
        for turn in 0..<20 {
            for index in 0..<6 {
                let pair = pairs[(index * step + turn) % pairs.count]
                stage.cut(pair.0, pair.1)
                try stage.play(300_000)
            }
            for index in (0..<6).map({ ($0 * 5 + turn) % 6 }) {
                let pair = pairs[(index * step + turn) % pairs.count]
                stage.mend(pair.0, pair.1)
                try stage.play(300_000)
            }
        }
        stage.healNetwork()
        try stage.finish()
    }

    @Test("N08 a link that flaps a thousand times leaves nothing behind", arguments: [UInt64(1)])
    func flapping(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let other = (leader + 1) % 3
        let connections = stage.connectionCount
        let term = stage.highestTerm
        for cycle in 0..<1000 {
            stage.cut(leader, other)
            try stage.play(50_000 + cycle % 7 * 50_000)
            stage.mend(leader, other)
            try stage.play(100_000)
        }
        #expect(stage.highestTerm <= term + 1)
        try stage.play(5 * second)
        #expect(stage.connectionCount <= connections)
        try stage.finish()
    }

    @Test("N09 a wire that is slower than elections, doubles and reorders", arguments: seeds)
    func badWire(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        _ = try stage.settle()
        stage.worsen(
            extraDelay: 3 * stage.electionMicros / 2, doublePerMille: 500, reorderPerMille: 300)
        try stage.play(120 * second)
        stage.worsen(extraDelay: 0, doublePerMille: 500, reorderPerMille: 300)
        _ = try stage.settle()
        try stage.play(60 * second)
        stage.healNetwork()
        try stage.finish()
    }

    @Test("N10 messages from ten minutes and two terms ago change nothing", arguments: seeds)
    func timeCapsule(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.thinkMicros = 100_000 }
        _ = try stage.settle()
        stage.holdCopies(for: 600 * second)
        try stage.play(3 * second)
        stage.transferLeadership()
        try stage.play(3 * second)
        stage.holdNoMore()
        stage.transferLeadership()
        try stage.play(580 * second)
        let leader = try stage.settle()
        let term = stage.highestTerm
        let mark = stage.now
        try stage.play(30 * second)
        #expect(stage.leader == leader)
        #expect(stage.highestTerm == term)
        #expect(stage.wrote(since: mark) > 100)
        try stage.finish()
    }

    @Test("N11 a leader whose large messages are lost gives way", arguments: seeds)
    func largeMessagesLost(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.valueBytesMax = 4000 }
        let old = try stage.settle()
        stage.pinAll(to: (old + 1) % 3)
        stage.limitFrames(from: old, bytes: 1024)
        let cut = stage.now
        let took = try stage.play(atMost: 8 * stage.electionMicros) {
            stage.leader != old && stage.leader != nil && stage.wrote(since: cut) > 0
        }
        #expect(took != nil, "n\(old + 1) still leads, or nobody does")
        let mark = stage.now
        try stage.play(10 * second)
        #expect(stage.wrote(since: mark) > 100)
        try stage.finish()
    }

    @Test("N12 who reaches only a member that is cut off gets local reads only", arguments: seeds)
    func minorityClient(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.clientCount = 12 }
        let leader = try stage.settle()
        let lonely = (leader + 1) % 3
        stage.pinAll(to: lonely)
        stage.isolate(lonely)
        try stage.play(1000)
        let cut = stage.now
        try stage.play(60 * second)
        let outcomes = stage.operations(since: cut).map(\.outcome)
        #expect(outcomes.contains(.readLocally))
        #expect(outcomes.allSatisfy { [.failed, .readLocally].contains($0) })
        try stage.finish()
    }
}

/// Scenarios are played with each of these.
let seeds: [UInt64] = [1, 2, 3]
