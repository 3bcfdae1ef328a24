import Agent
import AgentLogic
import Foundation
import Glibc
import Primitives
import Testing

@Suite("Agent's durable state and its decoders")
struct StoreTests {
    private func record() throws -> TaskRecord {
        var spec = try task("t")
        spec.executorID = try ExecutorID("e")
        spec.name = "a name"
        spec.command = .program("/bin/echo", arguments: ["echo", "x"])
        spec.environment = [EnvironmentVariable("A", "b")]
        spec.user = "nobody"
        var uri = TaskURI("/a/b.tar.gz")
        uri.outputFile = "c/d"
        spec.uris = [uri]
        spec.resources.memoryBytes = 5
        spec.resources.ports = [PortRange(1, 2)]
        spec.healthCheck = HealthCheck(.http(port: 80, path: "/h"))
        spec.check = TaskCheck(.command(.shell("true")))
        spec.labels = [TaskLabel("k", nil), TaskLabel("l", "v")]
        var record = TaskRecord(
            container: ContainerID(sequence: 9, index: 2), term: Term(4), spec: spec)
        record.state = .failed
        record.killReason = .killedByOrder
        record.isHealthy = false
        record.check = .httpStatus(404)
        record.endedAtMillis = 77
        var update = StatusUpdate(
            id: UpdateID(high: 1, low: 2), key: spec.key, container: record.container,
            state: .failed, reason: .outOfMemory, message: "m", atMillis: 3)
        update.isHealthy = true
        record.latest = update
        record.pending = [update]
        return record
    }

    private func read(_ bytes: [UInt8]) throws -> TaskRecord {
        try RecordFile.decode(.task, bytes, path: "x") {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> TaskRecord in
            try TaskRecord(from: &reader)
        }
    }

    @Test("a record is read as it was written")
    func roundTrip() throws {
        let record = try record()
        #expect(try read(RecordFile.encode(.task, record.encoded())) == record)
    }

    @Test("no single flipped bit and no cut gets through")
    func damage() throws {
        let bytes = RecordFile.encode(.task, try record().encoded())
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 1 << (place % 8)
            #expect(throws: AgentError.self) { try read(damaged) }
            #expect(throws: AgentError.self) { try read(Array(bytes[..<place])) }
        }
        #expect(throws: AgentError.self) { try read(bytes + [0]) }
    }

    @Test("any payload with a right checksum is decoded or refused, and never traps")
    func hostilePayloads() throws {
        var random = SplitMix64(seed: 7)
        let good = try record().encoded()
        var accepted = 0
        for _ in 0..<4000 {
            var payload = good
            for _ in 0...random.next(below: 4) {
                payload[Int(random.next(below: UInt64(payload.count)))] =
                    UInt8(truncatingIfNeeded: random.next())
            }
            if random.next(below: 3) == 0 {
                payload = Array(payload[..<Int(random.next(below: UInt64(payload.count)))])
            }
            if (try? read(RecordFile.encode(.task, payload))) != nil { accepted += 1 }
            for kind in RecordFile.Kind.allCases where kind != .task {
                _ = try? RecordFile.decode(kind, RecordFile.encode(kind, payload), path: "x")
            }
            _ = try? SupervisorRequest(payload)
            _ = try? SupervisorPhase(payload)
            var reader = ByteReader(payload)
            _ = try? RunSpec(from: &reader)
            reader = ByteReader(payload)
            _ = try? StartRecord(from: &reader)
            reader = ByteReader(payload)
            _ = try? AgentMark(from: &reader)
        }
        #expect(accepted > 0, "some changes leave a record")
    }

    @Test("what is persisted is found again, mark, records and removals")
    func store() throws {
        let folder = try TemporaryFolder()
        let directory = WorkDirectory(folder.path + "/work")
        var mark = AgentMark(agentID: try AgentID("A"))
        let record = try record()
        do {
            let store = try AgentStore(directory)
            #expect(try store.open(newID: try AgentID("A")).isNew)
            mark.sequence = 9
            mark.term = Term(4)
            var write = StateWrite()
            write.mark = mark
            write.records = [record]
            try store.persist(write)
        }
        do {
            let store = try AgentStore(directory)
            let opened = try store.open(newID: try AgentID("B"))
            #expect(!opened.isNew)
            #expect(opened.mark == mark)
            #expect(opened.records == [record])
            var write = StateWrite()
            write.removed = [record.container]
            try store.persist(write)
        }
        #expect(try AgentStore(directory).open(newID: try AgentID("B")).records.isEmpty)
    }

    @Test("a mark that is garbage, empty or missing beside runs is not guessed at")
    func garbageMark() throws {
        let folder = try TemporaryFolder()
        let directory = WorkDirectory(folder.path + "/work")
        let store = try AgentStore(directory)
        var write = StateWrite()
        write.mark = AgentMark(agentID: try AgentID("A"))
        write.records = [try record()]
        try store.persist(write)
        for garbage in [Data(), Data("garbage".utf8), Data(count: 5 << 20)] {
            try garbage.write(to: URL(filePath: directory.markFile))
            #expect(throws: AgentError.self) { try store.open(newID: try AgentID("B")) }
        }
        try FileManager.default.removeItem(atPath: directory.markFile)
        #expect(throws: AgentError.self) { try store.open(newID: try AgentID("B")) }
    }

    @Test("a damaged record is named, and the others are read")
    func garbageRecord() throws {
        let folder = try TemporaryFolder()
        let directory = WorkDirectory(folder.path + "/work")
        let store = try AgentStore(directory)
        var write = StateWrite()
        write.mark = AgentMark(agentID: try AgentID("A"))
        write.records = [try record()]
        try store.persist(write)
        let good = try Data(contentsOf: URL(filePath: directory.tasks + "/9-2"))
        for (name, bytes) in [("1-0", Data()), ("2-0", good), ("hello", Data("x".utf8))] {
            try bytes.write(to: URL(filePath: directory.tasks + "/" + name))
        }
        let opened = try store.open(newID: try AgentID("B"))
        #expect(opened.records.count == 1)
        #expect(opened.damaged.map { $0.name } == ["1-0", "2-0", "hello"])
    }
}

@Suite("Names and paths from outside")
struct HostileNameTests {
    @Test(
        "a name that leads elsewhere, is too long or holds control characters is refused",
        arguments: [
            "", ".", "..", "a/b", "/", "../../etc", "a\0b", "a\nb", "\u{1B}[2J", "\u{85}",
            "/\u{301}", "\u{2028}", String(repeating: "x", count: 256),
            String(repeating: "é", count: 128),
        ])
    func refused(_ name: String) {
        #expect(throws: AgentError.self) { try TaskID(name) }
    }

    @Test(
        "names that are only odd are taken",
        arguments: [
            "a", "...", "a b", "ä", "-rf", "%2e%2e", "a..b", String(repeating: "x", count: 255),
        ])
    func taken(_ name: String) throws {
        #expect(try TaskID(name).text == name)
    }

    @Test("two spellings of a letter are two names")
    func spellings() throws {
        #expect(try TaskID("\u{E9}") != TaskID("e\u{301}"))
    }

    @Test("a container's name is read as it was written, and nothing else is one")
    func containers() {
        let container = ContainerID(sequence: .max, index: .max)
        #expect(ContainerID(container.description) == container)
        for text in ["", "1", "1-", "-1", "01-0", "+1-0", "1-0-0", "99999999999999999999-0"] {
            #expect(ContainerID(text) == nil, "\(text)")
        }
    }

    @Test(
        "a URI goes below the sandbox or nowhere",
        arguments: ["../x", "a/../../b", "/etc/x", "a//b", "", "stdout", "stderr/x"])
    func escapes(_ output: String) {
        var uri = TaskURI("/x")
        uri.outputFile = output
        #expect(throws: AgentError.self) { try uri.destination }
    }

    @Test("descriptions that could not be run anywhere are refused by name")
    func faults() throws {
        let changes: [(inout TaskSpec) throws -> Void] = [
            { $0.command = .shell("a\0b") },
            { $0.command = .program("", arguments: []) },
            { $0.environment = [EnvironmentVariable("A=B", "")] },
            { $0.environment = [EnvironmentVariable("", "")] },
            { $0.user = "" },
            { $0.user = "../root" },
            { $0.killGraceMillis = .max },
            { $0.resources.ports = [PortRange(2, 1)] },
            { $0.healthCheck = HealthCheck(.http(port: 80, path: "x")) },
            { $0.healthCheck = HealthCheck(.http(port: 80, path: "/\r\nEvil: 1")) },
            { $0.healthCheck = HealthCheck(.tcp(port: 0)) },
            { $0.name = String(repeating: "x", count: AgentLimits.specBytesMax) },
        ]
        #expect(try task("a").fault == nil)
        for (place, change) in changes.enumerated() {
            var spec = try task("a")
            try change(&spec)
            #expect(spec.fault != nil, "change \(place)")
        }
    }

    @Test("a process's line is read from its last parenthesis, and anything else is none")
    func processLines() {
        let tail = "S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1"
        let odd = ProcessStat(Array("42 (a) Z 9 9 9 (b) \(tail)\n".utf8))
        #expect(odd?.parent == 1 && odd?.session == 3 && odd?.startTicks == 12345)
        #expect(odd?.state == UInt8(ascii: "S"))
        for line in ["", "42", "42 (", ")(", "42 (x) S", "x (y) \(tail)", "42 (y) S x 2 3"] {
            #expect(ProcessStat(Array(line.utf8)) == nil, "\(line)")
        }
    }

    @Test("frames come whole however they are cut, and one that is too long ends it")
    func frames() throws {
        var buffer = FrameBuffer()
        let bytes = FrameBuffer.frame([1, 2, 3]) + FrameBuffer.frame([])
        var found: [[UInt8]] = []
        for byte in bytes {
            buffer.append([byte])
            while let frame = try buffer.next() { found.append(frame) }
        }
        #expect(found == [[1, 2, 3], []])
        buffer.append([0xFF, 0xFF, 0xFF, 0xFF])
        #expect(throws: (any Error).self) { try buffer.next() }
    }
}
