import Foundation

/// One file of the repository, as the rules see it. Self-tests make them from snippets.
struct RepositoryFile {
    /// Relative to the root, with `/` between the parts.
    let path: String
    let text: String
    /// Without comments and string contents; for Swift files only, else the text itself.
    let code: String
    /// Of `code`; empty for other files.
    let tokens: [SwiftToken]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        code = path.hasSuffix(".swift") ? SourceText.blanked(text) : text
        tokens = path.hasSuffix(".swift") ? SwiftToken.tokens(of: code) : []
    }

    var parts: [Substring] { path.split(separator: "/") }
    var name: String { String(parts.last ?? "") }
    var isSwift: Bool { path.hasSuffix(".swift") }
    var isGenerated: Bool { parts.contains("Generated") }
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var codeLines: [Substring] { code.split(separator: "\n", omittingEmptySubsequences: false) }

    /// The folder that a rule speaks about: `Sources/RPC` is "RPC", `Tests/RPCTests` is "RPCTests",
    /// everything under `tools` is "tools"; nil outside them.
    var room: String? {
        guard parts.count > 2 else { return nil }
        switch parts[0] {
        case "Sources", "Tests": return String(parts[1])
        case "tools": return "tools"
        default: return nil
        }
    }
}

/// A broken rule, worded so that whoever reads it knows where to go and what to do there.
struct Violation: CustomStringConvertible, Equatable {
    let path: String
    let line: Int
    let what: String
    var description: String { "\(path):\(line): \(what)" }
}

/// The repository that these tests were compiled in.
enum Repository {
    static let root: URL = {
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path != "/" {
            let marker = folder.appending(path: ".swift-format").path
            if FileManager.default.fileExists(atPath: marker) { return folder }
            folder.deleteLastPathComponent()
        }
        return URL(filePath: FileManager.default.currentDirectoryPath)
    }()

    /// Every text file that is or would be committed, in the order of its path.
    static let files: [RepositoryFile] = {
        let skipped: Set<String> = [".build", ".git", ".swiftpm", "Package.resolved"]
        var found: [RepositoryFile] = []
        var pending = [""]
        while let folder = pending.popLast() {
            let place = folder.isEmpty ? root : root.appending(path: folder)
            let names = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
            for name in names where !skipped.contains(name) && name != "__pycache__" {
                let path = folder.isEmpty ? name : folder + "/" + name
                var isFolder: ObjCBool = false
                let full = root.appending(path: path).path
                guard FileManager.default.fileExists(atPath: full, isDirectory: &isFolder) else {
                    continue
                }
                if isFolder.boolValue {
                    pending.append(path)
                } else if let data = FileManager.default.contents(atPath: full),
                    let text = String(data: data, encoding: .utf8)
                {
                    found.append(RepositoryFile(path: path, text: text))
                }
            }
        }
        return found.sorted { $0.path < $1.path }
    }()

    static var swiftFiles: [RepositoryFile] { files.filter { $0.isSwift } }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }
}
