import Primitives
import RaftCore
import Testing

@Suite("Message flows, compared with Transcripts/*.txt")
struct TranscriptTests {
    @Test("a first election, a write and a read")
    func electionWriteRead() throws {
        var script = Transcript(3)
        script.say("member 1 times out first")
        script.campaign(1)
        script.settle()
        script.say("a write: appends leave beside the leader's own write")
        try script.propose(1, "x=1")
        script.settle()
        script.say("three reads: the first begins a round, the others share the next")
        for read: UInt64 in 1...3 { try script.read(1, read) }
        script.settle()
        try script.check("election-write-read")
    }

    @Test("a follower that diverged is brought back")
    func divergedFollower() throws {
        var script = Transcript(3)
        script.campaign(1)
        script.settle()
        script.say("1 appends what nobody receives")
        script.silent = [1]
        try script.propose(1, "lost=1")
        try script.propose(1, "lost=2")
        script.settle()
        script.say("3 is elected by 2 and writes")
        script.tick(2, 10)
        script.campaign(3)
        script.settle()
        try script.propose(3, "kept=1")
        script.settle()
        script.say("1 hears of the new term")
        script.silent = []
        script.tick(3, 2)
        script.settle()
        script.tick(3, 4)
        script.settle()
        try script.check("diverged-follower")
    }

    @Test("the leader's process dies: a fast election")
    func fastElection() throws {
        var script = Transcript(3)
        script.campaign(3)
        script.settle()
        script.silent = [3]
        script.say("1 has evidence first, 2 a tick later; 2 goes ahead, for its id is higher")
        script.step(1, .connectionRefused(NodeID(3)))
        script.settle()
        script.step(2, .connectionRefused(NodeID(3)))
        script.settle()
        try script.check("fast-election")
    }

    @Test("leadership is handed over")
    func transfer() throws {
        var script = Transcript(3)
        script.campaign(1)
        script.settle()
        script.step(1, .transferLeadership(to: NodeID(3)))
        script.settle()
        try script.check("transfer")
    }

    @Test("a member is replaced, and the leader removed, by joint consensus")
    func membership() throws {
        var script = Transcript(4, voters: [1, 2, 3])
        script.campaign(1)
        script.settle()
        script.say("4 takes the place of 1, which leads")
        try script.change(
            1, ConfigurationChange([.init(NodeID(4), .voter), .init(NodeID(1), nil)]))
        script.settle()
        try script.check("replace-leader")
    }

    @Test("a slow disk: nothing is acknowledged before it is durable")
    func slowDisk() throws {
        var script = Transcript(3)
        script.campaign(1)
        script.settle()
        script.say("the disks of 1 and 3 stall; 2 alone is no majority")
        script.stalled = [1, 3]
        try script.propose(1, "x=1")
        script.settle()
        script.say("the disk of 3 is back: committed without the leader's own")
        script.stalled = [1]
        script.settle()
        script.stalled = []
        script.settle()
        try script.check("slow-disk")
    }
}
