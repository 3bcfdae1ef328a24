import Agent
import AgentLogic
import Foundation
import Glibc
import Primitives
import Testing

@Suite("Agent with real processes: tasks, kills, output", .serialized)
struct ProcessTests {
    let folder = Result { try TemporaryFolder() }

    private func site(
        _ change: (inout TaskRunner.Settings) throws -> Void = { _ in }
    ) throws -> AgentSite { try AgentSite(try folder.get().path, change) }

    @Test("how a command ends is what is reported")
    func outcomes() throws {
        let site = try site()
        let good = try shell("good", "exit 0")
        let bad = try shell("bad", "exit 3")
        let ill = try shell("ill", "kill -SEGV $$")
        var absent = try task("absent")
        absent.command = .program("/no/such/program", arguments: [])
        for spec in [good, bad, ill, absent] { site.launch(spec) }
        #expect(try site.wait(good, for: .finished).message == "exited with status 0")
        #expect(try site.wait(bad, for: .failed).message == "exited with status 3")
        #expect(try site.wait(ill, for: .failed).message == "terminated by signal 11")
        #expect(try site.wait(absent, for: .failed).reason == .commandCouldNotStart)
        #expect(site.statuses(good).map { $0.state } == [.starting, .running, .finished])
        site.stop()
    }

    @Test("a command runs in its sandbox, with its environment, and its output is kept apart")
    func sandbox() throws {
        let site = try site()
        var spec = try shell("env", "echo \"$GREETING\"; pwd; echo oops >&2; cat")
        spec.environment = [EnvironmentVariable("GREETING", "hello")]
        let container = site.launch(spec)
        _ = try site.wait(spec, for: .finished)
        let sandbox = try site.sandbox(container)
        #expect(try site.output(container) == "hello\n\(sandbox)\n")
        #expect(try site.output(container, "stderr") == "oops\n")
        let latest = try FileManager.default.destinationOfSymbolicLink(
            atPath: (sandbox as NSString).deletingLastPathComponent + "/latest")
        #expect(latest == "\(container)")
        site.stop()
    }

    @Test("a task runs as the user that it asks for, and its files are that user's")
    func otherUser() throws {
        let site = try site()
        guard geteuid() == 0 else {
            // Nobody but root becomes another user, and nobody runs as whoever the agent is.
            var spec = try shell("root", "id -un")
            spec.user = "root"
            site.launch(spec)
            #expect(try site.wait(spec, for: .failed).reason == .commandCouldNotStart)
            site.stop()
            return
        }
        var spec = try shell("nobody", "id -un; touch mine; cat /proc/self/status | grep '^Groups'")
        spec.user = "nobody"
        let container = site.launch(spec)
        _ = try site.wait(spec, for: .finished)
        #expect(try site.output(container).hasPrefix("nobody\n"))
        let nobody = try #require(getpwnam("nobody")).pointee.pw_uid
        for name in ["mine", "stdout", "stderr"] {
            var status = stat()
            let path = try site.sandbox(container) + "/" + name
            let result = lstat(path, &status)
            #expect(result == 0 && status.st_uid == nobody, "\(name)")
        }
        var stranger = try shell("stranger", "true")
        stranger.user = "no-such-user-here"
        site.launch(stranger)
        #expect(try site.wait(stranger, for: .failed).reason == .commandCouldNotStart)
        site.stop()
    }

    @Test("a program gets its arguments as they are, and is found in its own PATH")
    func program() throws {
        let site = try site()
        var spec = try task("printf")
        spec.command = .program("printf", arguments: ["printf", "%s|", "a b", "$HOME", ""])
        let container = site.launch(spec)
        _ = try site.wait(spec, for: .finished)
        #expect(try site.output(container) == "a b|$HOME||")
        site.stop()
    }

    @Test("a kill asks first, and ends everything after the grace, whoever ignores or fled")
    func escalation() throws {
        let site = try site()
        let stubborn = try shell(
            "stubborn",
            """
            trap '' TERM
            (trap '' TERM; while :; do sleep 1; done) &
            setsid sh -c 'trap "" TERM; while :; do sleep 1; done' &
            (setsid sleep 1000 &)
            echo ready
            while :; do sleep 1; done
            """)
        let container = site.launch(stubborn)
        _ = try site.wait(stubborn, for: .running)
        #expect(try eventually { try site.output(container) == "ready\n" })
        let mark = try site.files(container).path
        let before = MachineClock.steadyMillis
        site.kill(stubborn, graceMillis: 700)
        let update = try site.wait(stubborn, for: .killed)
        #expect(MachineClock.steadyMillis - before >= 700, "the grace is the task's")
        #expect(update.message == "terminated by signal 9")
        #expect(processes(markedWith: mark).isEmpty)
        site.stop()
    }

    @Test("a command that ends when asked is not waited for until the grace is over")
    func gentleKill() throws {
        let site = try site()
        let spec = try shell(
            "gentle", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
        let container = site.launch(spec)
        #expect(try eventually { try site.output(container) == "ready\n" })
        site.kill(spec, graceMillis: 600_000)
        #expect(try site.wait(spec, for: .killed).message == "exited with status 0")
        site.stop()
    }

    @Test("a second kill may shorten the grace")
    func shorterGrace() throws {
        let site = try site()
        let spec = try shell("deaf", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
        let container = site.launch(spec)
        #expect(try eventually { try site.output(container) == "ready\n" })
        site.kill(spec, graceMillis: 600_000)
        site.kill(spec, graceMillis: 10)
        _ = try site.wait(spec, for: .killed)
        site.stop()
    }

    @Test("what a command leaves behind goes with it, and no zombie stays meanwhile")
    func leftovers() throws {
        let site = try site()
        let spec = try shell(
            "parent",
            """
            (setsid sleep 1000 &)
            (sh -c 'exit 0' &)
            (sh -c 'exit 0' &)
            mkfifo go
            echo on
            read line < go
            exit 4
            """)
        let container = site.launch(spec)
        _ = try site.wait(spec, for: .running)
        #expect(try eventually { try site.output(container) == "on\n" })
        let start = try #require(try site.files(container).readStart())
        #expect(
            eventually {
                let adopted = children(of: start.supervisorPID)
                return adopted.count == 2 && adopted.allSatisfy { !$0.isZombie }
            }, "the command, and the one that fled")
        let mark = try site.files(container).path
        #expect(!processes(markedWith: mark).isEmpty)
        try Data("go\n".utf8).write(to: URL(filePath: try site.sandbox(container) + "/go"))
        #expect(try site.wait(spec, for: .failed).message == "exited with status 4")
        #expect(processes(markedWith: mark).isEmpty)
        site.stop()
    }

    @Test("10 MB of output are rotated without a byte lost")
    func rotation() throws {
        let site = try site { settings in
            settings.outputBytesMax = 1 << 20
            settings.outputFilesMax = 20
        }
        let lines = 440_000
        let spec = try shell("loud", "seq -f 'line %020.0f' 1 \(lines)")
        let container = site.launch(spec)
        #expect(try site.wait(spec, for: .finished).message == "exited with status 0")
        let sandbox = try site.sandbox(container)
        var whole = Data()
        for number in (0...20).reversed() {
            let name = number == 0 ? "stdout" : "stdout.\(number)"
            guard let part = FileManager.default.contents(atPath: sandbox + "/" + name) else {
                continue
            }
            #expect(part.count <= 1 << 20)
            if number > 0 { #expect(part.count == 1 << 20, "\(name) is filled to its limit") }
            whole += part
        }
        var expected = Data()
        for number in 1...lines {
            let digits = String(number)
            expected += Data(
                "line \(String(repeating: "0", count: 20 - digits.count))\(digits)\n".utf8)
        }
        #expect(whole.count == expected.count && whole.count > 10 << 20)
        #expect(whole == expected)
        site.stop()
    }

    @Test("old output goes when there is more than is kept, and the newest stays")
    func rotationBound() throws {
        let site = try site { settings in
            settings.outputBytesMax = 64 << 10
            settings.outputFilesMax = 2
        }
        let spec = try shell("loud", "seq 1 100000")
        let container = site.launch(spec)
        _ = try site.wait(spec, for: .finished)
        let names = try FileManager.default.contentsOfDirectory(atPath: try site.sandbox(container))
        #expect(names.sorted() == ["stderr", "stdout", "stdout.1", "stdout.2"])
        #expect(try site.output(container).hasSuffix("99999\n100000\n"))
        site.stop()
    }

    @Test("a link that a task puts in place of its output is not followed")
    func outputLink() throws {
        let site = try site { settings in settings.outputBytesMax = 2048 }
        let victim = try folder.get().path + "/victim"
        try "precious".write(toFile: victim, atomically: true, encoding: .utf8)
        let spec = try shell(
            "evil", "rm stdout; ln -s \(victim) stdout; seq 1 5000; echo done >&2")
        site.launch(spec)
        _ = try site.wait(spec, for: .finished)
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
        site.stop()
    }

    @Test("one of a group that fails takes the others with it")
    func group() throws {
        let site = try site()
        let first = try shell("first", "sleep 1000")
        let second = try shell("second", "exit 1")
        site.launch(first, second)
        #expect(try site.wait(second, for: .failed).reason == .commandEnded)
        #expect(try site.wait(first, for: .killed).reason == .groupMemberEnded)
        site.stop()
    }
}
