/// Rules about words: what no committed file says, and links that lead somewhere.
enum TextRules {
    /// Written in two halves so that this file keeps its own rule.
    private static let unfinished = ["FIX" + "ME", "TO" + "DO", "XX" + "X"]
    private static let placesOfOneMachine = ["/home" + "/", "/root" + "/", "/work" + "/"]

    static func checkWords(_ file: RepositoryFile) -> [Violation] {
        guard !file.isGenerated, file.name != "LICENSE", !file.path.hasPrefix("Proto/") else {
            return []
        }
        var violations: [Violation] = []
        for (index, line) in file.lines.enumerated() {
            for word in unfinished where words(line).contains(word) {
                violations.append(
                    Violation(
                        path: file.path, line: index + 1,
                        what: "'\(word)': finish it, or open an issue and say nothing here"))
            }
            for place in placesOfOneMachine where line.contains(place) {
                violations.append(
                    Violation(
                        path: file.path, line: index + 1,
                        what: "'\(place)' is a path of one machine; name it relative to the root"))
            }
        }
        return violations
    }

    private static func words(_ line: Substring) -> Set<String> {
        Set(line.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
    }

    /// Relative links of a Markdown file, as paths from the root, with their lines.
    static func links(of file: RepositoryFile) -> [(line: Int, target: String)] {
        guard file.path.hasSuffix(".md") else { return [] }
        var found: [(Int, String)] = []
        for (index, line) in file.lines.enumerated() {
            for piece in line.split(separator: "](", omittingEmptySubsequences: false).dropFirst() {
                guard let end = piece.firstIndex(of: ")") else { continue }
                let target = piece[..<end].split(separator: "#", omittingEmptySubsequences: false)[
                    0]
                if target.isEmpty || target.contains("://") || target.hasPrefix("mailto:") {
                    continue
                }
                found.append((index + 1, resolve(String(target), from: file)))
            }
        }
        return found
    }

    private static func resolve(_ target: String, from file: RepositoryFile) -> String {
        var parts = target.hasPrefix("/") ? [] : Array(file.parts.dropLast())
        for part in target.split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    static func checkLinks(
        _ file: RepositoryFile, exists: (String) -> Bool
    ) -> [Violation] {
        links(of: file).filter { !exists($0.target) }.map {
            Violation(
                path: file.path, line: $0.line, what: "the link to \($0.target) leads nowhere")
        }
    }

    /// Generated Swift says which file under `Proto/` it came from, and a script makes it again.
    static func checkGenerated(
        _ file: RepositoryFile, scripts: [RepositoryFile], exists: (String) -> Bool
    ) -> [Violation] {
        guard file.isGenerated, file.isSwift else { return [] }
        var violations: [Violation] = []
        let source = file.lines.prefix(20).first { $0.hasPrefix("// Source: ") }
        let proto = source.map { "Proto/" + $0.dropFirst("// Source: ".count) }
        if proto.map(exists) != true {
            violations.append(
                Violation(
                    path: file.path, line: 1,
                    what: "a generated file names its source under Proto/ ('// Source: …')"))
        }
        let folder = file.parts.dropLast().joined(separator: "/")
        if !scripts.contains(where: { $0.text.contains(folder) }) {
            violations.append(
                Violation(
                    path: file.path, line: 1,
                    what:
                        "no script names \(folder): commit the command that makes it"
                ))
        }
        return violations
    }
}
