internal import ArgumentParser
internal import KeelsonClient

/// A transaction as text, in the form that etcdctl reads.
enum TxnScript {
    struct ParseError: Error, Equatable {
        /// From 1.
        let line: Int
        let reason: String
    }

    /// - Throws: ``ParseError`` for the first line that is not understood.
    static func parse(_ text: String) throws(ParseError) -> Transaction {
        var blocks: [[(number: Int, text: Substring)]] = [[], [], []]
        var block = 0
        for (position, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            if line.allSatisfy(\.isWhitespace) {
                block += 1
            } else if block > 2 {
                throw ParseError(
                    line: position + 1,
                    reason: "there are three blocks only, and this is behind them"
                )
            } else {
                blocks[block].append((position + 1, line))
            }
        }
        var transaction = Transaction()
        for line in blocks[0] { transaction.comparisons.append(try comparison(line)) }
        for line in blocks[1] { transaction.success.append(try operation(line)) }
        for line in blocks[2] { transaction.failure.append(try operation(line)) }
        return transaction
    }

    private static func comparison(
        _ line: (number: Int, text: Substring)
    ) throws(ParseError) -> Comparison {
        var rest = line.text.drop(while: \.isWhitespace)
        let target = rest.prefix { $0.isLetter }
        rest = rest.dropFirst(target.count).drop(while: \.isWhitespace)
        guard rest.first == "(", let close = closingParenthesis(rest) else {
            throw ParseError(
                line: line.number, reason: "a comparison looks like version(\"key\") = \"1\"")
        }
        let key = try oneWord(rest[rest.index(after: rest.startIndex)..<close], line.number)
        rest = rest[rest.index(after: close)...].drop(while: \.isWhitespace)
        let sign = rest.prefix { "=!<>".contains($0) }
        let relation: Comparison.Relation
        switch sign {
        case "=", "==": relation = .equal
        case "!=": relation = .notEqual
        case "<": relation = .less
        case ">": relation = .greater
        default:
            throw ParseError(line: line.number, reason: "the relation must be one of = != < >")
        }
        let value = try oneWord(rest.dropFirst(sign.count), line.number)
        return Comparison(
            .key(key), relation, try self.target(target.lowercased(), value, line.number))
    }

    private static func target(
        _ name: String, _ value: String, _ line: Int
    ) throws(ParseError) -> Comparison.Target {
        if name == "value" || name == "val" { return .value(Array(value.utf8)) }
        if name == "lease" {
            guard let id = LeaseID(argument: value) else {
                throw ParseError(line: line, reason: "'\(value)' is not a lease's id")
            }
            return .lease(id.rawValue)
        }
        guard let number = Int64(value) else {
            throw ParseError(line: line, reason: "'\(value)' is not a whole number")
        }
        switch name {
        case "version", "ver": return .version(number)
        case "create", "c": return .createRevision(number)
        case "mod", "m": return .modRevision(number)
        default:
            throw ParseError(
                line: line,
                reason: "'\(name)' cannot be compared; use version, create, mod, value or lease")
        }
    }

    private static func operation(
        _ line: (number: Int, text: Substring)
    ) throws(ParseError) -> Transaction.Operation {
        var tokens = try words(line.text, line.number)
        let verb = tokens.removeFirst()
        do {
            switch verb {
            case "get":
                let arguments = try GetArguments.parse(tokens)
                return .get(arguments.range.range, arguments.options)
            case "put":
                let arguments = try PutArguments.parse(tokens)
                guard arguments.value != nil || arguments.ignoreValue else {
                    throw ParseError(line: line.number, reason: "put takes a key and a value")
                }
                return .put(
                    Array(arguments.key.utf8), Array((arguments.value ?? "").utf8),
                    arguments.options)
            case "del":
                let arguments = try DeleteArguments.parse(tokens)
                return .delete(arguments.range.range, returnsPrevious: arguments.prevKv)
            default:
                throw ParseError(
                    line: line.number, reason: "'\(verb)' is not an operation; use get, put or del"
                )
            }
        } catch let error as ParseError {
            throw error
        } catch {
            throw ParseError(line: line.number, reason: GetArguments.message(for: error))
        }
    }

    /// The parenthesis that closes the one at the start, outside of quotes.
    private static func closingParenthesis(_ text: Substring) -> Substring.Index? {
        var isQuoted = false
        var isEscaped = false
        for index in text.indices {
            let character = text[index]
            if isEscaped {
                isEscaped = false
            } else if character == "\\", isQuoted {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == ")", !isQuoted {
                return index
            }
        }
        return nil
    }

    private static func oneWord(
        _ text: Substring, _ line: Int
    ) throws(ParseError) -> String {
        let tokens = try words(text, line)
        guard tokens.count == 1, let word = tokens.first else {
            throw ParseError(
                line: line, reason: "expected one word or one text in quotes, found '\(text)'")
        }
        return word
    }

    /// Splits at white space. Double quotes keep it and know C's escapes; single quotes keep all.
    static func words(_ text: Substring, _ line: Int) throws(ParseError) -> [String] {
        var words: [String] = []
        var word: [UInt8]?
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
                if let finished = word { words.append(String(decoding: finished, as: UTF8.self)) }
                word = nil
            case UInt8(ascii: "'"):
                guard let end = rest.firstIndex(of: UInt8(ascii: "'")) else {
                    throw ParseError(line: line, reason: "a quote is not closed")
                }
                word = (word ?? []) + rest[..<end]
                rest = rest[rest.index(after: end)...]
            case UInt8(ascii: "\""):
                word = (word ?? []) + (try quoted(&rest, line))
            default:
                word = (word ?? []) + [byte]
            }
        }
        if let word { words.append(String(decoding: word, as: UTF8.self)) }
        return words
    }

    /// What stands before the closing double quote, with its escapes resolved.
    private static func quoted(
        _ rest: inout Substring.UTF8View, _ line: Int
    ) throws(ParseError) -> [UInt8] {
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return bytes }
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "0"): bytes.append(0)
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
                    throw ParseError(line: line, reason: "\\x needs two hexadecimal digits")
                }
                rest = rest.dropFirst(2)
                bytes.append(value)
            case let other?: bytes.append(other)
            case nil: break
            }
        }
        throw ParseError(line: line, reason: "a quote is not closed")
    }
}
