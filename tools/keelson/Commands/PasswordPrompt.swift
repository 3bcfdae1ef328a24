#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Reads passwords: from the terminal without showing them, or a line of standard input.
enum PasswordPrompt {
    static let bytesMax = 4096

    /// - Throws: ``Failure`` when there is nothing to read, or when the two differ.
    static func newPassword(of user: String) throws -> String {
        guard isatty(STDIN_FILENO) == 1 else { return try line() }
        let first = try hidden("Password of \(user): ")
        let second = try hidden("Once more, to be sure: ")
        if first != second {
            throw Failure(.usage, "the two passwords differ; nothing was changed")
        }
        return first
    }

    static func password(of user: String) throws -> String {
        isatty(STDIN_FILENO) == 1 ? try hidden("Password of \(user): ") : try line()
    }

    private static func hidden(_ prompt: String) throws -> String {
        Output.writeAll(Array(prompt.utf8), to: STDERR_FILENO)
        var shown = termios()
        guard tcgetattr(STDIN_FILENO, &shown) == 0 else { return try line() }
        var silent = shown
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown)
            Output.writeAll([0x0A], to: STDERR_FILENO)
        }
        return try line()
    }

    private static func line() throws -> String {
        guard let text = readLine(strippingNewline: true), !text.isEmpty else {
            throw Failure(
                .usage, "a password is needed",
                advice: "type it, pipe it in, or set KEELSON_PASSWORD")
        }
        guard text.utf8.count <= bytesMax else {
            throw Failure(.usage, "a password has at most \(bytesMax) bytes")
        }
        return text
    }
}
