import Agent
import AgentLogic
import Foundation
import Testing

@Suite("Fetching files and archives", .serialized)
struct FetchTests {
    private let folder: TemporaryFolder
    private var source: String { folder.path + "/source" }
    private var sandbox: String { folder.path + "/sandbox" }

    init() throws {
        folder = try TemporaryFolder()
        for name in ["source", "sandbox", "secret"] {
            try FileManager.default.createDirectory(
                atPath: folder.path + "/" + name, withIntermediateDirectories: true)
        }
        try "secret".write(toFile: folder.path + "/secret/file", atomically: true, encoding: .utf8)
        try "hello".write(toFile: source + "/file", atomically: true, encoding: .utf8)
    }

    private var fetcher: FileFetcher { FileFetcher(roots: [source], bytesMax: 1 << 20) }

    private func fetch(_ uri: TaskURI) async throws {
        try await fetcher.fetch(uri, into: sandbox, owner: nil)
    }

    private func text(_ name: String) -> String? {
        FileManager.default.contents(atPath: sandbox + "/" + name)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// Makes an archive with Python, whose library writes what tar would refuse to.
    private func python(_ script: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script]
        process.currentDirectoryURL = URL(filePath: source)
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    @Test("a file is copied under its own name, or the one that is asked for, executable if so")
    func copies() async throws {
        try await fetch(TaskURI("file://\(source)/file"))
        #expect(text("file") == "hello")
        var uri = TaskURI("\(source)/file")
        uri.outputFile = "deep/down/tool"
        uri.isExecutable = true
        try await fetch(uri)
        #expect(text("deep/down/tool") == "hello")
        #expect(FileManager.default.isExecutableFile(atPath: sandbox + "/deep/down/tool"))
    }

    @Test("what is not below an allowed directory is refused, by whatever way it is named")
    func roots() async throws {
        try FileManager.default.createSymbolicLink(
            atPath: source + "/link", withDestinationPath: folder.path + "/secret/file")
        for value in [
            "\(folder.path)/secret/file", "\(source)/../secret/file", "\(source)/link",
            "file://\(source)/link", "\(source)", "\(source)/absent", "relative", "http://x/y",
            "file://host/etc/passwd", "\(source)-sibling/file",
        ] {
            await #expect(throws: AgentError.self, "\(value)") { try await fetch(TaskURI(value)) }
        }
        await #expect(throws: AgentError.self) {
            try await FileFetcher(roots: []).fetch(
                TaskURI("\(source)/file"), into: sandbox, owner: nil)
        }
    }

    @Test("a link in the sandbox is replaced and not followed")
    func linkInSandbox() async throws {
        try FileManager.default.createSymbolicLink(
            atPath: sandbox + "/file", withDestinationPath: folder.path + "/secret/file")
        try await fetch(TaskURI("\(source)/file"))
        #expect(text("file") == "hello")
        let secret = FileManager.default.contents(atPath: folder.path + "/secret/file")
        #expect(secret == Data("secret".utf8))
        try FileManager.default.createSymbolicLink(
            atPath: sandbox + "/dir", withDestinationPath: folder.path + "/secret")
        var uri = TaskURI("\(source)/file")
        uri.outputFile = "dir/file"
        await #expect(throws: AgentError.self) { try await fetch(uri) }
    }

    @Test("a file beyond the limit is refused")
    func sizeLimit() async throws {
        try Data(count: (1 << 20) + 1).write(to: URL(filePath: source + "/big"))
        await #expect(throws: AgentError.self) { try await fetch(TaskURI("\(source)/big")) }
    }

    @Test("archives are unpacked beside themselves, and stay packed where that is asked for")
    func archives() async throws {
        try python(
            """
            import tarfile, zipfile
            t = tarfile.open('a.tar.gz', 'w:gz'); t.add('file', 'in/tar'); t.close()
            z = zipfile.ZipFile('a.zip', 'w'); z.writestr('in_zip', 'zipped'); z.close()
            """)
        try await fetch(TaskURI("\(source)/a.tar.gz"))
        try await fetch(TaskURI("\(source)/a.zip"))
        #expect(text("in/tar") == "hello")
        #expect(text("in_zip") == "zipped")
        var packed = TaskURI("\(source)/a.zip")
        packed.extracts = false
        packed.outputFile = "packed/a.zip"
        try await fetch(packed)
        let names = try FileManager.default.contentsOfDirectory(atPath: sandbox + "/packed")
        #expect(names == ["a.zip"])
    }

    @Test(
        "an archive from which something leads out is refused, and nothing of it stays",
        arguments: [
            "i = T('up'); i.type = b'2'; i.linkname = '../../secret'; t.addfile(i)",
            "i = T('abs'); i.type = b'2'; i.linkname = '/etc'; t.addfile(i)",
            "i = T('d/b'); i.type = b'2'; i.linkname = '..'; t.addfile(i)\n"
                + "i = T('e'); i.type = b'2'; i.linkname = 'd/b/..'; t.addfile(i)",
            "i = T('pipe'); i.type = b'6'; t.addfile(i)",
            "i = T('../escaped'); i.size = 1; t.addfile(i, io.BytesIO(b'x'))",
        ])
    func hostileArchives(_ what: String) async throws {
        try python(
            """
            import tarfile, io
            T = tarfile.TarInfo
            t = tarfile.open('evil.tar', 'w')
            \(what)
            t.close()
            """
        )
        await #expect(throws: AgentError.self) { try await fetch(TaskURI("\(source)/evil.tar")) }
        let names = try FileManager.default.contentsOfDirectory(atPath: sandbox)
        #expect(names == ["evil.tar"])
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/escaped"))
    }

    @Test("an archive that unpacks to more than is allowed is refused")
    func bomb() async throws {
        try python(
            """
            import zipfile
            z = zipfile.ZipFile('bomb.zip', 'w', zipfile.ZIP_DEFLATED)
            for n in range(8): z.writestr('zeros%d' % n, bytes(200000))
            z.close()
            z = zipfile.ZipFile('one.zip', 'w', zipfile.ZIP_DEFLATED)
            z.writestr('zeros', bytes(8000000)); z.close()
            """)
        for name in ["bomb.zip", "one.zip"] {
            await #expect(throws: AgentError.self) { try await fetch(TaskURI("\(source)/\(name)")) }
        }
    }
}
