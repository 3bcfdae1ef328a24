import Primitives
import Replication
import StateMachine
import Testing

@Suite("Freeing what a compaction made unreachable (DESIGN §5, checkpoints and memory)")
struct PurgePaceTests {
    /// Two thousand versions of a key, all but the last of them compacted.
    static func node() -> SingleReplica {
        var node = SingleReplica { _ in }
        for _ in 0..<2000 { node.put("k") }
        var body = ProtobufWriter()
        body.field(1, node.replica.store.revision.rawValue + 2000)
        node.persistAll()
        node.propose(.compact, body.bytes)
        node.persistAll()
        return node
    }

    @Test("no slice frees more than its limit, and an idle node goes on until all is done")
    func idle() {
        var node = Self.node()
        var pace = PurgePace()
        #expect(node.replica.store.recordCount == 2000)
        // Entries came since the slice before the first.
        _ = pace.slice(of: &node.replica)
        var before = node.replica.store.recordCount
        var slices = 1
        while pace.slice(of: &node.replica) {
            slices += 1
            #expect(before - node.replica.store.recordCount <= PurgePace.recordsMax)
            before = node.replica.store.recordCount
        }
        #expect(slices >= 2000 / PurgePace.recordsMax)
        #expect(node.replica.store.recordCount == 1 && !node.replica.store.isPurgePending)
    }

    @Test("beside other work it is one slice a tick")
    func busy() {
        var node = Self.node()
        var pace = PurgePace()
        _ = pace.slice(of: &node.replica)
        for _ in 0..<5 {
            node.put("other")
            let followsProposal = pace.slice(of: &node.replica)
            node.persistAll()
            node.put("other")
            node.persistAll()
            let followsCommit = pace.slice(of: &node.replica)
            #expect(!followsProposal && !followsCommit)
        }
    }

    @Test("where more is written than that frees, it frees twice as much as is written")
    func fallingBehind() {
        var node = Self.node()
        var pace = PurgePace()
        _ = pace.slice(of: &node.replica)
        for _ in 0..<4 {
            for number in 0..<100 { node.put("k\(number)") }
            node.persistAll()
            node.put("pending")
            let follows = pace.slice(of: &node.replica)
            #expect(follows)
        }
    }
}
