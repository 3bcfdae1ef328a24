/// How big a file, a function and a line may be.
enum SizeRules {
    static let fileLinesMax = 500
    static let functionLinesMax = 70
    static let columnsMax = 100

    /// Functions that are longer and may stay so until next touched: "path:name" and lines.
    /// Entries are only ever removed or made smaller.
    static let functionRatchet: [String: Int] = [:]

    private static let measured = [".swift", ".py", ".sh", ".c", ".h"]

    static func check(_ file: RepositoryFile) -> [Violation] {
        guard measured.contains(where: file.path.hasSuffix), !file.isGenerated else { return [] }
        return checkFile(file) + checkColumns(file) + checkFunctions(file)
    }

    private static func checkFile(_ file: RepositoryFile) -> [Violation] {
        let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
        guard count > fileLinesMax else { return [] }
        return [
            Violation(
                path: file.path, line: fileLinesMax,
                what:
                    "\(count) lines; a file has at most \(fileLinesMax): split it by state or topic"
            )
        ]
    }

    private static func checkColumns(_ file: RepositoryFile) -> [Violation] {
        file.lines.enumerated().filter { $0.element.count > columnsMax }.map {
            Violation(
                path: file.path, line: $0.offset + 1,
                what: "\($0.element.count) columns; a line has at most \(columnsMax)")
        }
    }

    private static func checkFunctions(_ file: RepositoryFile) -> [Violation] {
        guard file.isSwift else { return [] }
        return FunctionScanner.functions(in: file.tokens).compactMap { function in
            let limit = functionRatchet["\(file.path):\(function.name)"] ?? functionLinesMax
            guard function.lineCount > limit else { return nil }
            return Violation(
                path: file.path, line: function.line,
                what: "\(function.name) has \(function.lineCount) lines; a function has at most"
                    + " \(limit): give its parts names")
        }
    }
}

/// A token of blanked Swift source: a word, or one other character.
struct SwiftToken: Equatable {
    let text: Substring
    let line: Int

    static func tokens(of code: String) -> [SwiftToken] {
        let bytes = code.utf8
        var found: [SwiftToken] = []
        var line = 1
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let start = index
            if isWord(bytes[index]) {
                repeat {
                    index = bytes.index(after: index)
                } while index < bytes.endIndex && isWord(bytes[index])
                found.append(SwiftToken(text: code[start..<index], line: line))
                continue
            }
            let byte = bytes[index]
            index = bytes.index(after: index)
            if byte == UInt8(ascii: "\n") { line += 1 }
            if byte > 0x20 { found.append(SwiftToken(text: code[start..<index], line: line)) }
        }
        return found
    }

    /// A letter, a digit or an underscore; all of Unicode beyond ASCII counts as letters.
    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            return true
        default: return false
        }
    }
}

/// Finds functions and how many lines each has, by counting braces.
enum FunctionScanner {
    struct Function: Equatable {
        let name: String
        let line: Int
        let lineCount: Int
    }

    static func functions(in tokens: [SwiftToken]) -> [Function] {
        tokens.indices.compactMap { start -> Function? in
            guard let name = declaredName(tokens, at: start),
                let opening = bodyStart(tokens, from: start),
                let closing = matchingBrace(tokens, from: opening)
            else { return nil }
            let first = tokens[start].line
            return Function(name: name, line: first, lineCount: tokens[closing].line - first + 1)
        }
    }

    private static func declaredName(_ tokens: [SwiftToken], at index: Int) -> String? {
        let word = tokens[index].text
        guard
            word == "func" || word == "var" || word == "init" || word == "subscript"
                || word == "deinit"
        else { return nil }
        let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
        let isMember = index > 0 && tokens[index - 1].text == "."
        switch word {
        case "func", "var": return isMember ? nil : String(next)
        case "init", "subscript":
            return !isMember && ["(", "?", "!", "<"].contains(next)
                ? String(tokens[index].text) : nil
        case "deinit": return next == "{" ? "deinit" : nil
        default: return nil
        }
    }

    /// The brace that opens the body, or nil for a requirement, a call or a stored property.
    private static func bodyStart(_ tokens: [SwiftToken], from start: Int) -> Int? {
        let ends: Set<Substring> = [
            "func", "var", "let", "init", "subscript", "case", "}", ";", "struct", "class", "enum",
            "extension", "protocol", "package", "private", "public", "static", "mutating", "return",
        ]
        let isVariable = tokens[start].text == "var"
        var depth = 0
        for index in (start + 1)..<tokens.count {
            let token = tokens[index]
            if "([".contains(token.text) { depth += 1 }
            if ")]".contains(token.text) { depth -= 1 }
            if depth < 0 { return nil }
            guard depth == 0 else { continue }
            if token.text == "{" { return index }
            if index > start + 1, ends.contains(token.text) { return nil }
            if isVariable, token.text == "=" || token.line != tokens[start].line { return nil }
        }
        return nil
    }

    private static func matchingBrace(_ tokens: [SwiftToken], from opening: Int) -> Int? {
        var depth = 0
        for index in opening..<tokens.count {
            if tokens[index].text == "{" { depth += 1 }
            if tokens[index].text == "}" {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return nil
    }
}
