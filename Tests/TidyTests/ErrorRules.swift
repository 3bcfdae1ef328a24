/// What servers answer is written down, with its cause and a remedy.
enum ErrorRules {
    static let page = "docs/errors.md"
    private static let rooms = ["Sources/ControlPlane/", "Sources/StateMachine/", "Sources/RPC/"]

    /// Texts of errors in a file that the page does not have. What is put into a text when it is
    /// made is not compared.
    static func check(_ file: RepositoryFile, page: String) -> [Violation] {
        guard rooms.contains(where: file.path.hasPrefix), !file.isGenerated else { return [] }
        return file.lines.enumerated().flatMap { index, line in
            line.matches(of: /"((?:etcdserver|keelson|grpc|auth): [^"\\]*)/).compactMap { match in
                let text = String(match.1).trimmingSuffix(while: { " (:".contains($0) })
                // Nothing but what is put in.
                if text.hasSuffix("keelson") || page.contains(text) { return nil }
                return Violation(
                    path: file.path, line: index + 1,
                    what: "'\(text)' is not in \(Self.page): say its cause, and what to do")
            }
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(while drop: (Character) -> Bool) -> String {
        var text = Substring(self)
        while let last = text.last, drop(last) { text.removeLast() }
        return String(text)
    }
}
