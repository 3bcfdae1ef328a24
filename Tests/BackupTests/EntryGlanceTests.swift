import Backup
import Primitives
import RaftCore
import StateMachine
import Testing

@Suite("What an entry of the log says to people")
struct EntryGlanceTests {
    private func entry(_ kind: CommandKind, _ body: [UInt8]) -> LogEntry {
        var header = CommandHeader(
            kind: kind, request: RequestID(origin: NodeID(7), boot: BootNumber(2), sequence: 9))
        header.clock = 1_764_460_800_000
        header.user = Array("alice".utf8)
        return LogEntry(
            index: LogIndex(5), term: Term(3), kind: .command,
            payload: Command.encode(header, body: body))
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func put(_ key: String, _ value: String) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, bytes(key))
        writer.field(2, bytes(value))
        return writer.bytes
    }

    @Test("a put names its key, who asked and when, and not its value")
    func put() {
        let glance = EntryGlance(entry(.put, put("config/motd", "secret")))
        #expect(glance.kind == "put" && glance.what == "config/motd (6 bytes)")
        #expect(glance.user == "alice" && glance.clock == 1_764_460_800_000)
        #expect(glance.request?.sequence == 9)
        #expect(glance.touches(bytes("config/motd")) && !glance.touches(bytes("config/mot")))
    }

    @Test("a deletion touches every key of its range")
    func deletion() {
        var writer = ProtobufWriter()
        writer.field(1, bytes("a"))
        writer.field(2, bytes("c"))
        let glance = EntryGlance(entry(.deleteRange, writer.bytes))
        #expect(glance.what == "a to c")
        #expect(glance.touches(bytes("b")) && !glance.touches(bytes("c")))
    }

    @Test("a transaction touches what it compares, reads and writes in either branch")
    func transaction() {
        var compare = ProtobufWriter()
        compare.field(3, bytes("compared"))
        var success = ProtobufWriter()
        success.field(2, put("then", "x"))
        var failure = ProtobufWriter()
        failure.field(2, put("else", "x"))
        var writer = ProtobufWriter()
        writer.field(1, compare.bytes)
        writer.field(2, success.bytes)
        writer.field(3, failure.bytes)
        let glance = EntryGlance(entry(.txn, writer.bytes))
        #expect(
            glance.what == "1 comparisons, then [put then (1 bytes)], else [put else (1 bytes)]")
        for key in ["compared", "then", "else"] { #expect(glance.touches(bytes(key))) }
        #expect(!glance.touches(bytes("other")))
    }

    @Test("hashes of passwords and tokens are never told")
    func secrets() {
        let command = AuthCommand.addUser(bytes("bob"), hash: bytes("HASH"))
        #expect(EntryGlance(entry(.auth, command.encode())).what == "add user bob")
    }

    @Test("a configuration names its members, and a no-op nothing")
    func others() {
        let configuration = ClusterConfiguration(voters: [NodeID(1), NodeID(0xAB)])
        let glance = EntryGlance(
            LogEntry(
                index: LogIndex(1), term: Term(1), kind: .configuration,
                payload: configuration.encode()))
        #expect(glance.kind == "configuration" && glance.what == "voters 1 ab")
        let noop = EntryGlance(
            LogEntry(index: LogIndex(1), term: Term(1), kind: .noop, payload: []))
        #expect(noop.kind == "noop" && noop.what.isEmpty && noop.clock == nil)
    }

    @Test("any bytes have a glance", arguments: 0..<64 as Range<UInt64>)
    func anyBytes(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for kind in CommandKind.allCases {
            let body = (0..<Int(random.next(below: 120))).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            #expect(EntryGlance(entry(kind, body)).kind == "\(kind)")
        }
    }
}
