import Agent
import AgentLogic
import Foundation
import Glibc
import Testing

@Suite("Files of sandboxes, as others may see them")
struct SandboxFileTests {
    let folder = Result { try TemporaryFolder() }
    private let runs = "slaves/A/frameworks/F/executors/E/runs"

    private func files() throws -> (SandboxFiles, String) {
        let work = try folder.get().path + "/work"
        let manager = FileManager.default
        try manager.createDirectory(
            atPath: "\(work)/\(runs)/1-0/sub", withIntermediateDirectories: true)
        try manager.createDirectory(atPath: work + "/meta", withIntermediateDirectories: true)
        try Data("0123456789".utf8).write(to: URL(filePath: "\(work)/\(runs)/1-0/stdout"))
        try Data("secret".utf8).write(to: URL(filePath: work + "/meta/agent"))
        try manager.createSymbolicLink(
            atPath: "\(work)/\(runs)/latest", withDestinationPath: "1-0")
        return (SandboxFiles(WorkDirectory(work)), work)
    }

    @Test("a sandbox is listed, and a file read in parts, by either kind of path")
    func reading() throws {
        let (files, work) = try files()
        for base in [runs + "/1-0", "\(work)/\(runs)/1-0", runs + "/latest"] {
            let names = try files.list(base).map { $0.path }
            #expect(names == [base + "/stdout", base + "/sub"])
            let part = try files.read(base + "/stdout", offset: 3, length: 4)
            #expect(part.bytes == Array("3456".utf8))
            #expect(part.size == 10)
        }
        #expect(try files.read(runs + "/1-0/stdout", offset: nil, length: nil).size == 10)
        #expect(try files.read(runs + "/1-0/stdout", offset: 10, length: 5).bytes == [])
        #expect(try files.read(runs + "/1-0/stdout", offset: .max, length: 5).bytes == [])
        #expect(try files.read(runs + "/1-0/stdout", offset: 8, length: .max).bytes.count == 2)
    }

    @Test("no path and no link leads out of the sandboxes")
    func escapes() throws {
        let (files, work) = try files()
        let sandbox = "\(work)/\(runs)/1-0"
        let manager = FileManager.default
        try manager.createSymbolicLink(
            atPath: sandbox + "/link", withDestinationPath: work + "/meta/agent")
        try manager.createSymbolicLink(atPath: sandbox + "/folder", withDestinationPath: "/etc")
        try manager.createSymbolicLink(atPath: sandbox + "/latest", withDestinationPath: "/etc")
        try manager.removeItem(atPath: "\(work)/\(runs)/latest")
        try manager.createSymbolicLink(
            atPath: "\(work)/\(runs)/latest", withDestinationPath: "../../../../../../meta")
        #expect(mkfifo(sandbox + "/pipe", 0o600) == 0)
        for path in [
            "/etc/passwd", "meta/agent", work + "/meta/agent", "slaves/../meta/agent",
            work + "/slaves/../meta/agent", work + "x/slaves/a", runs + "/1-0/link",
            runs + "/1-0/folder/passwd", runs + "/1-0/latest/passwd", runs + "/latest/agent", "",
            "/", "slaves\0", runs + "/1-0/sub", runs + "/1-0/pipe",
            "slaves/" + String(repeating: "a/", count: 1000),
        ] {
            #expect(throws: AgentError.self, "\(path)") {
                try files.read(path, offset: 0, length: 10)
            }
        }
        for path in ["/etc", "meta", work, runs + "/1-0/folder", runs + "/latest"] {
            #expect(throws: AgentError.self, "\(path)") { try files.list(path) }
        }
    }

    @Test("a disk is as full as df says: what is kept for root is neither used nor free")
    func fullness() {
        #expect(WorkDirectory.usePermille(blocks: 252, free: 182, available: 25) == 736)
        #expect(WorkDirectory.usePermille(blocks: 100, free: 100, available: 100) == 0)
        #expect(WorkDirectory.usePermille(blocks: 100, free: 5, available: 0) == 1000)
        #expect(WorkDirectory.usePermille(blocks: 100, free: 100, available: 0) == 1000)
        #expect(WorkDirectory.usePermille(blocks: 0, free: 0, available: 0) == nil)
        #expect(WorkDirectory.usePermille(blocks: .max, free: 1, available: .max) == 999)
    }
}
