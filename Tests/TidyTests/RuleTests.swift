import Testing

/// Each rule, shown to fail on a snippet that breaks it and to pass on one that does not.
@Suite("House rules (the rules themselves)")
struct RuleTests {
    private func file(_ text: String, at path: String = "Sources/RaftCore/Snippet.swift")
        -> RepositoryFile
    {
        RepositoryFile(path: path, text: text)
    }

    @Test("an error that is not written down is found, and what is put into it is not compared")
    func errors() {
        let text = #"""
            let a = "etcdserver: no leader", b = "keelson: deeper than \(limit)"
            let c = "keelson: \(error)"; let d = "etcdserver: unheard of"
            """#
        let found = ErrorRules.check(
            file(text, at: "Sources/StateMachine/A.swift"),
            page: "| `etcdserver: no leader` |\n| `keelson: deeper than` |")
        #expect(found.map(\.line) == [2])
        #expect(found.first?.what.contains("unheard of") == true)
        #expect(ErrorRules.check(file(text, at: "Sources/Simulation/A.swift"), page: "") == [])
    }

    @Test("comments and strings are blanked, interpolated code and line numbers stay")
    func blanking() {
        let source = """
            let a = "try! \\(call("x)")) try!" // try!
            /* try! /* try! */ try! */ let b = #"try! " \\(x) "#
            let c = \"\"\"
                try! \\(one
                + two) "quoted"
                \"\"\"
            let d = 4
            """
        let blanked = SourceText.blanked(source)
        #expect(!blanked.contains("try!"))
        #expect(blanked.contains("call("))
        #expect(blanked.contains("let b ="))
        #expect(blanked.contains("+ two"))
        #expect(!blanked.contains("quoted"))
        #expect(
            blanked.split(separator: "\n", omittingEmptySubsequences: false).last == "let d = 4")
        #expect(blanked.utf8.count == source.utf8.count)
    }

    @Test(
        "an import that the table does not allow is found, however it is written",
        arguments: [
            ("import Foundation", "Sources/RaftCore/A.swift"),
            ("package import Storage", "Sources/RaftCore/A.swift"),
            ("@preconcurrency import NIOCore", "Sources/Replication/A.swift"),
            ("import struct Foundation.Data", "Sources/StateMachine/A.swift"),
            ("import ControlPlane", "Sources/RPC/A.swift"),
            ("import Simulation", "Sources/ControlPlane/A.swift"),
            ("import Replication", "Tests/RaftCoreTests/A.swift"),
            ("import Primitives", "Sources/Unheard/A.swift"),
        ])
    func forbiddenImports(text: String, path: String) {
        #expect(!ImportTable.check(file(text, at: path)).isEmpty)
    }

    @Test(
        "an import that the table allows passes",
        arguments: [
            ("import DequeModule\npackage import Primitives", "Sources/RaftCore/A.swift"),
            ("// import Foundation\nlet import_ = 1", "Sources/RaftCore/A.swift"),
            ("import NIOCore\nimport CNGHTTP2", "Sources/RPC/A.swift"),
            ("import Testing\nimport RaftCore\nimport Primitives", "Tests/RaftCoreTests/A.swift"),
            ("import ArgumentParser\nimport ControlPlane", "tools/keelson/A.swift"),
        ])
    func allowedImports(text: String, path: String) {
        #expect(ImportTable.check(file(text, at: path)) == [])
    }

    @Test("a second importer of a C module is found, a folder of its own passes")
    func cModules() {
        let one = file("import CSQLite", at: "Sources/Storage/SQLite.swift")
        let two = file("import CSQLite", at: "Sources/Storage/Checkpoint.swift")
        #expect(ImportTable.checkCModules([one]) == [])
        #expect(ImportTable.checkCModules([one, two]).count == 1)
        let inFolder = ["A", "B"].map {
            file("import CNGHTTP2", at: "Sources/RPC/HTTP2/\($0).swift")
        }
        #expect(ImportTable.checkCModules(inFolder) == [])
    }

    private func function(lines: Int) -> String {
        "func f() {\n" + String(repeating: "    work()\n", count: lines - 2) + "}\n"
    }

    @Test("a function of 70 lines passes, one of 71 is found")
    func functionSize() {
        #expect(SizeRules.check(file(function(lines: 70))) == [])
        #expect(SizeRules.check(file(function(lines: 71))).count == 1)
        let type = "struct S {\n    func g() { \"}\" }\n" + function(lines: 71) + "}\n"
        #expect(SizeRules.check(file(type)).map { $0.line } == [3])
    }

    @Test("initializers, computed properties and generic functions are measured too")
    func functionKinds() {
        let body = " {\n" + String(repeating: "    work()\n", count: 80) + "}\n"
        for head in [
            "init(a: Int)", "deinit", "subscript(i: Int) -> Int", "var size: Int",
            "func f<T>(_ g: () -> T = { T() }) throws(E) -> [T] where T: P",
        ] {
            let found = SizeRules.check(file("struct S {\n" + head + body + "}\n"))
            #expect(found.count == 1, "\(head)")
        }
        let requirement =
            "protocol P {\n    func f()\n    var a: Int { get }\n}\n" + "enum E" + body
        #expect(SizeRules.check(file(requirement)) == [])
    }

    @Test("a file of 500 lines passes, one of 501 is found; generated files are spared")
    func fileSize() {
        let long = String(repeating: "let a = 1\n", count: 501)
        #expect(SizeRules.check(file(String(long.dropFirst(10)))) == [])
        #expect(SizeRules.check(file(long)).count == 1)
        #expect(SizeRules.check(file(long, at: "Sources/API/Generated/A.swift")) == [])
    }

    @Test("a line of 100 columns passes, one of 101 is found")
    func columns() {
        #expect(SizeRules.check(file("//" + String(repeating: "é", count: 98))) == [])
        #expect(SizeRules.check(file("//" + String(repeating: "x", count: 99))).count == 1)
    }

    @Test(
        "a banned call is found where it is banned",
        arguments: [
            ("assert(a == b)", "Sources/RPC/A.swift"),
            ("precondition(a)", "tools/keelson/A.swift"),
            ("Swift.fatalError(\"x\")".replacing("Swift.", with: ""), "Sources/Storage/A.swift"),
            ("let x = try! f()", "Sources/RPC/A.swift"),
            ("let now = Date()", "Sources/ControlPlane/A.swift"),
            ("print(1)", "Sources/KeelsonClient/A.swift"),
            ("try await Task.sleep(for: .seconds(1))", "Tests/RPCTests/A.swift"),
            ("usleep(5)", "Tests/RPCTests/A.swift"),
            ("func f() async {}", "Sources/RaftCore/A.swift"),
            ("let x = Int.random(in: 0..<4)", "Sources/StateMachine/A.swift"),
            ("public struct S {}", "Sources/RPC/A.swift"),
        ])
    func bannedCalls(text: String, path: String) {
        #expect(BannedCall.check(file(text, at: path)).count >= 1)
    }

    @Test(
        "what only looks like a banned call passes",
        arguments: [
            ("// assert(a) and \"try!\"", "Sources/RPC/A.swift"),
            ("if try !isThere() {}", "Sources/RPC/A.swift"),
            ("switch a { case .b: c[d, default: []] = e }", "Sources/RaftCore/A.swift"),
            ("output.print(a)", "Sources/RPC/A.swift"),
            ("func print(_ a: Int) {}", "Sources/RPC/A.swift"),
            ("print(1)", "tools/keelson/A.swift"),
            ("fatalError(message)", "Sources/Primitives/Invariant.swift"),
            ("try await Task.sleep(for: .seconds(1))", "tools/localcluster/A.swift"),
            ("public struct S {}", "Sources/KeelsonClient/A.swift"),
        ])
    func allowedCalls(text: String, path: String) {
        #expect(BannedCall.check(file(text, at: path)) == [])
    }

    @Test("a default over an enum's cases is found in a pure room, over numbers it passes")
    func defaults() {
        let overEnum = "switch a {\ncase .one: f()\ndefault: g()\n}"
        let overNumbers = "switch a {\ncase 1:\n    if case .x = b { f() }\ndefault: g()\n}"
        let withLet = "switch a {\ncase let .one(x): f(x)\ndefault: g()\n}"
        #expect(BannedCall.check(file(overEnum)).count == 1)
        #expect(BannedCall.check(file(withLet)).count == 1)
        #expect(BannedCall.check(file(overNumbers)) == [])
        #expect(BannedCall.check(file(overEnum, at: "Sources/RPC/A.swift")) == [])
    }

    @Test("unfinished work and paths of one machine are found")
    func words() {
        let unfinished = "// " + "FIX" + "ME later\n"
        #expect(TextRules.checkWords(file(unfinished)).count == 1)
        let place = "see " + "/home" + "/someone/file\n"
        #expect(TextRules.checkWords(file(place, at: "docs/a.md")).count == 1)
        #expect(TextRules.checkWords(file("// to do is to be\n")) == [])
    }

    @Test("a link that leads nowhere is found, relative to its file")
    func links() {
        let page = file(
            "[a](b.md) [c](../README.md#part) [d](https://example.org) [e](#here)",
            at: "docs/index.md")
        #expect(TextRules.links(of: page).map { $0.target } == ["docs/b.md", "README.md"])
        let found = TextRules.checkLinks(page) { $0 == "README.md" }
        #expect(found.count == 1)
    }

    @Test("a generated file without a source or a script is found")
    func generated() {
        let path = "Sources/API/Generated/rpc.pb.swift"
        let script = file("protoc --out Sources/API/Generated", at: "scripts/generate.sh")
        let good = file("// DO NOT EDIT.\n// Source: rpc.proto\n", at: path)
        let bad = file("// DO NOT EDIT.\n", at: path)
        let exists: (String) -> Bool = { $0 == "Proto/rpc.proto" }
        #expect(TextRules.checkGenerated(good, scripts: [script], exists: exists) == [])
        #expect(TextRules.checkGenerated(bad, scripts: [script], exists: exists).count == 1)
        #expect(TextRules.checkGenerated(good, scripts: [], exists: exists).count == 1)
    }
}
