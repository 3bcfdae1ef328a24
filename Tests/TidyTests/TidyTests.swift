import Testing

/// The house rules, held against the repository itself (CONTRIBUTING.md).
@Suite("House rules (the repository)")
struct TidyTests {
    private func expectNone(
        _ violations: [Violation], location: SourceLocation = #_sourceLocation
    ) {
        let list = violations.map { $0.description }.joined(separator: "\n")
        #expect(violations.isEmpty, "\n\(list)", sourceLocation: location)
    }

    @Test("the rules see the repository's files")
    func filesAreFound() {
        #expect(Repository.files.contains { $0.path == "Package.swift" })
        #expect(Repository.swiftFiles.contains { $0.room == "Primitives" })
    }

    @Test("each room imports only what its row of the table allows")
    func imports() { expectNone(Repository.swiftFiles.flatMap(ImportTable.check)) }

    @Test("one Swift file, or one folder, speaks to each C module")
    func cModules() { expectNone(ImportTable.checkCModules(Repository.swiftFiles)) }

    @Test("files, functions and lines keep their sizes")
    func sizes() { expectNone(Repository.files.flatMap(SizeRules.check)) }

    @Test("no banned call is made")
    func bannedCalls() { expectNone(Repository.swiftFiles.flatMap(BannedCall.check)) }

    @Test("nothing is left unfinished and no machine's own path is named")
    func words() { expectNone(Repository.files.flatMap(TextRules.checkWords)) }

    @Test("every link in the documents leads somewhere")
    func links() {
        expectNone(
            Repository.files.flatMap { TextRules.checkLinks($0, exists: Repository.exists) })
    }

    @Test("every error of the etcd API is in docs/errors.md")
    func errors() throws {
        let page = try #require(Repository.files.first { $0.path == ErrorRules.page })
        let text = page.lines.joined(separator: "\n")
        expectNone(Repository.swiftFiles.flatMap { ErrorRules.check($0, page: text) })
    }

    @Test("generated files name their source, and a script makes them again")
    func generated() {
        let scripts = Repository.files.filter { $0.path.hasSuffix(".sh") }
        expectNone(
            Repository.swiftFiles.flatMap {
                TextRules.checkGenerated($0, scripts: scripts, exists: Repository.exists)
            })
    }
}
