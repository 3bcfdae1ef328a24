import Foundation
import LocalCluster
import Monitoring
import Testing

@Suite("keelson doctor", .serialized, .enabled(if: BadStartTests.isKeelson))
struct DoctorTests {
    private let program: String

    init() throws { program = try ServerProgram.underTest().path }

    private func doctor(_ words: String...) throws -> Command.Output {
        try Command.run(program, ["doctor"] + words, limit: .seconds(60))
    }

    private func findings(_ output: Command.Output, _ check: String) throws -> [JSON] {
        try JSON(output.text)["findings"].array.filter { $0["check"].string == check }
    }

    @Test("a sound cluster passes each check, and the machine's disk is measured")
    func sound() throws {
        let cluster = try SharedCluster.current
        try Etcdctl(cluster.endpoints).run("put", "doctor/sound", "x")
        let folder = cluster.folder.path
        let all = cluster.endpoints.joined(separator: ",")
        let output = try doctor("--endpoints", all, "--data-dir", folder, "-o", "json")
        // How quick disk and network are is not this test's affair: nothing else may be wrong.
        let measured = [
            "disk-sync", "disk-space", "log-sync", "read", "file-system", "peer", "descriptors",
        ]
        for finding in try JSON(output.text)["findings"].array {
            let check = try #require(finding["check"].string)
            #expect(
                finding["verdict"].string == "ok" || measured.contains(check),
                "\(check): \(finding["measured"].string ?? "")")
            #expect(finding["measured"].string?.isEmpty == false, "\(check)")
            #expect(
                finding["verdict"].string == "ok" || finding["advice"].string?.isEmpty == false)
        }
        for check in ["reachable", "read", "lag", "log-sync", "quota", "descriptors"] {
            #expect(try findings(output, check).count >= 3, "\(check): \(output.text)")
        }
        for check in ["leader", "members", "versions", "levels", "clocks", "alarms", "disk-sync"] {
            #expect(try findings(output, check).count == 1, "\(check): \(output.text)")
        }
        #expect(try findings(output, "peer").count == 6, "\(output.text)")
        let left = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(!left.contains { $0.contains("doctor") }, "\(left)")
    }

    @Test("people read a table with the verdicts, and what to do below it")
    func text() throws {
        let all = try SharedCluster.current.endpoints.joined(separator: ",")
        let output = try doctor("--endpoints", all)
        #expect(output.text.contains("the cluster"), "\(output.text)")
        #expect(output.text.contains("3 of 3 voters answer, 2 are needed"), "\(output.text)")
        #expect(output.text.contains(" ok, "), "\(output.text)")
    }

    @Test(
        "a dead member fails, the others are judged; without a majority the read fails; no one: 69")
    func deadMembers() throws {
        let cluster = try ServerCluster("doctor-dead", try ServerProgram.underTest())
        try cluster.start()
        let all = cluster.endpoints.joined(separator: ",")
        cluster.nodes[1].current?.killHard()
        let one = try doctor("--endpoints", all, "--timeout", "3s", "-o", "json")
        #expect(one.status == .exited(1), "\(one.text)")
        let reached = try findings(one, "reachable")
        #expect(reached.map { $0["verdict"].string } == ["ok", "fail", "ok"], "\(one.text)")
        #expect(try findings(one, "members").first?["verdict"].string == "warn", "\(one.text)")
        #expect(try findings(one, "read").allSatisfy { $0["verdict"].string != "fail" })
        cluster.nodes[2].current?.killHard()
        let two = try doctor("--endpoints", all, "--timeout", "3s", "-o", "json")
        #expect(two.status == .exited(1), "\(two.text)")
        #expect(try findings(two, "read").first?["verdict"].string == "fail", "\(two.text)")
        cluster.killAll()
        let none = try doctor("--endpoints", all, "--timeout", "2s")
        #expect(none.status == .exited(69), "\(none.text)")
    }

    @Test("an alarm fails, with what to do; --strict makes of a warning a failure")
    func alarm() throws {
        let cluster = try ServerCluster(
            "doctor-alarm", try ServerProgram.underTest(), nodeCount: 2,
            arguments: ["--quota-backend-bytes", "1048576"])
        try cluster.start()
        let all = cluster.endpoints.joined(separator: ",")
        // Two voters survive no more than one does.
        let even = try doctor("--endpoints", all, "-o", "json")
        #expect(try findings(even, "members-even").count == 1, "\(even.text)")
        let strict = try doctor("--endpoints", all, "--strict")
        #expect(strict.status == .exited(1), "\(strict.text)")
        let client = Etcdctl(cluster.endpoints)
        let value = String(repeating: "x", count: 100_000)
        let raised = Patience.wait(.seconds(20), pauseMilliseconds: 20) { () -> Bool? in
            _ = try? client.run("put", "big/\(UInt32.random(in: 0...(.max)))", value)
            return (try? client.run("alarm", "list").contains("NOSPACE")) == true ? true : nil
        }
        #expect(raised == true)
        let output = try doctor("--endpoints", all)
        #expect(output.status == .exited(1), "\(output.text)")
        #expect(output.text.contains("NOSPACE"), "\(output.text)")
        #expect(output.text.contains("keelson alarm disarm"), "\(output.text)")
    }

    @Test("a machine alone is looked at without a cluster, and a folder that is none is an error")
    func machine() throws {
        let folder = try SharedCluster.current.folder.path
        let output = try doctor("--data-dir", folder, "-o", "json")
        #expect(try findings(output, "reachable").isEmpty, "\(output.text)")
        let sync = try #require(try findings(output, "disk-sync").first)
        #expect(sync["measured"].string?.contains("p99") == true)
        #expect(sync["unit"].string == "seconds", "\(output.text)")
        let missing = try doctor("--data-dir", folder + "/none")
        #expect(missing.status == .exited(74), "\(missing.text)")
    }
}

@Suite("keelson top", .serialized, .enabled(if: BadStartTests.isKeelson))
struct TopTests {
    private let program: String

    init() throws { program = try ServerProgram.underTest().path }

    @Test("--once prints one picture of 80 columns, without control characters")
    func once() throws {
        let cluster = try ServerCluster("top-once", try ServerProgram.underTest())
        try cluster.start()
        let load = try Command.start(
            program,
            [
                "bench", "--target", "put", "--duration", "8s", "--rate", "200", "--endpoints",
                cluster.endpoints.joined(separator: ","),
            ])
        defer { load.killHard() }
        let puts = MetricLabel("grpc_method", "Put")
        let isLoaded = Patience.wait(.seconds(20), pauseMilliseconds: 50) { () -> Bool? in
            let page = try? Command.runSuccessfully(
                "curl", ["-sS", "http://\(cluster.endpoints[0])/metrics"])
            let read = page.flatMap { try? MetricsReading(Array($0.utf8)) }
            return read.map { $0.sum("grpc_server_handled_total", [puts]) > 20 } == true
                ? true : nil
        }
        #expect(isLoaded == true)
        let text = try Command.runSuccessfully(
            program,
            [
                "top", "--once", "--interval", "1s", "--endpoints",
                cluster.endpoints.joined(separator: ","),
            ])
        #expect(text.contains("3 of 3 members answer"), "\(text)")
        for endpoint in cluster.endpoints {
            let lines = text.split(separator: "\n").filter { $0.hasPrefix(endpoint) }
            #expect(lines.count == 3, "\(text)")
        }
        #expect(text.split(separator: "\n").filter { $0.contains(" leader ") }.count == 1)
        #expect(text.split(separator: "\n").filter { $0.contains(" follower ") }.count == 2)
        #expect(text.contains("agents 0 reachable") && text.contains("tasks 0 running"))
        // The second table: how many puts come here, and the time that they take.
        let loads = text.components(separatedBy: "PUT/S").last?.split(separator: "\n") ?? []
        let cells = try #require(loads.dropFirst().first).split(separator: " ")
        #expect((Double(cells[1]) ?? 0) > 10, "\(text)")
        #expect((Double(cells[2]) ?? 0) > 0, "\(text)")
        for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    }

    @Test("it goes on when members die, and says which are silent")
    func survives() throws {
        let cluster = try ServerCluster("top-survives", try ServerProgram.underTest())
        try cluster.start()
        let top = try Command.start(
            program,
            [
                "top", "--interval", "200ms", "--endpoints",
                cluster.endpoints.joined(separator: ","),
            ])
        defer { top.killHard() }
        #expect(top.waitForOutput("3 of 3 members answer", .seconds(10)), "\(top.output)")
        cluster.nodes[0].current?.killHard()
        #expect(top.waitForOutput("2 of 3 members answer", .seconds(10)), "\(top.outputTail())")
        cluster.killAll()
        #expect(top.waitForOutput("0 of 3 members answer", .seconds(10)), "\(top.outputTail())")
        #expect(top.output.contains("silent"))
        #expect(top.isRunning)
    }

    @Test("nobody there: exit status 69")
    func nobody() throws {
        let output = try Command.run(
            program, ["top", "--once", "--endpoints", "http://127.0.0.1:1"])
        #expect(output.status == .exited(69), "\(output.text)")
    }
}
