import Foundation
import LocalCluster
import Testing

@Suite("Every command of etcdctl 3.4 and 3.5", .serialized)
struct EveryCommandTests {
    @Test("each gives with Keelson what it gives with etcd, or differs as listed")
    func everyCommand() throws {
        let etcd = try ServerCluster("commands-etcd", try ServerProgram.etcd())
        let ours = try ServerCluster("commands", try ServerProgram.underTest())
        try etcd.start()
        try ours.start()
        let text = try Command.runSuccessfully(
            try ServerProgram.python(),
            [
                ServerProgram.scriptPath("checks/every_command.py"),
                etcd.endpoints.joined(separator: ","), ours.endpoints.joined(separator: ","),
                ours.folder.appending(path: "commands").path,
            ], limit: .seconds(120))
        print(text)
        #expect(text.contains(" commands alike, "), "\(text)")
    }
}

@Suite("What a person meets at the command line", .serialized)
struct CommandLineTests {
    private let program: String

    init() throws { program = try ServerProgram.underTest().path }

    private static var isKeelson: Bool { BadStartTests.isKeelson }

    @Test(
        "the completion script for bash is loaded and completes commands and options",
        .enabled(if: isKeelson),
        arguments: [
            ("keelson kv g", "get"), ("keelson endpoint h", "health"),
            ("keelson lease grant --end", "--endpoints"), ("keelson ser", "server"),
        ])
    func completion(line: String, wanted: String) throws {
        let script = """
            source <("\(program)" --generate-completion-script bash)
            COMP_LINE=$1; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMP_KEY=9
            COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            $(complete -p keelson | sed -E 's/.* -F ([^ ]+) .*/\\1/') keelson \\
              "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let text = try Command.runSuccessfully("bash", ["-c", script, "bash", line])
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        #expect(words.contains(wanted), "\(text)")
    }

    @Test("zsh and fish get a script too", .enabled(if: isKeelson), arguments: ["zsh", "fish"])
    func otherShells(shell: String) throws {
        let text = try Command.runSuccessfully(program, ["--generate-completion-script", shell])
        #expect(text.contains("endpoint"))
    }

    @Test("endpoint health, status and hash answer for each endpoint", .enabled(if: isKeelson))
    func endpoints() throws {
        let cluster = try SharedCluster.current
        let all = cluster.endpoints.joined(separator: ",")
        try Etcdctl(cluster.endpoints).run("put", "cli/hash", "x")
        for words in [["health"], ["status"], ["hash"]] {
            let text = try Command.runSuccessfully(
                program, ["endpoint"] + words + ["--endpoints", all])
            for endpoint in cluster.endpoints { #expect(text.contains(endpoint), "\(text)") }
            // One endpoint is enough to find all members.
            let found = try Command.runSuccessfully(
                program,
                ["endpoint"] + words + ["--cluster", "--endpoints", cluster.endpoints[0]])
            for endpoint in cluster.endpoints { #expect(found.contains(endpoint), "\(found)") }
        }
        let statuses = try JSON(
            try Command.runSuccessfully(
                program, ["endpoint", "status", "-o", "json", "--endpoints", all]))
        for status in statuses.array {
            let known = status["Status"]["featureLevel"].int
            let used = status["Status"]["clusterFeatureLevel"].int
            #expect(known >= 2 && used >= 1 && used <= known, "\(status)")
        }
        let revision = try Etcdctl(cluster.endpoints).json("get", "x")["header"]["revision"].int
        // Each member has caught up with that revision once it answers a linearizable read.
        for node in SharedCluster.nodes { try Etcdctl(node: node).run("get", "x") }
        let answers = try JSON(
            try Command.runSuccessfully(
                program, ["hash", "--rev", "\(revision)", "-o", "json", "--endpoints", all]))
        let hashes = answers.array.map { $0["HashKV"]["hash"].unsigned }
        #expect(hashes.count == 3)
        #expect(Set(hashes).count == 1 && hashes[0] != 0, "\(hashes)")
    }

    @Test("the example of the client library does what it says", .enabled(if: isKeelson))
    func example() throws {
        let folder = URL(filePath: program).deletingLastPathComponent()
        let url = "http://\(try SharedCluster.current.nodes[1].endpoint)"
        let text = try Command.runSuccessfully(
            folder.appending(path: "keelson-example").path, [url])
        #expect(
            text == """
                up: services/web/1 at 10.0.0.1:80
                down: services/web/1
                written under the lock

                """)
        let report = try Etcdctl(node: 0).run("get", "example/report", "--print-value-only")
        #expect(report.hasPrefix("written with token "))
    }
}
