internal import ArgumentParser

/// Lets options that every client command knows stand before the command's name, as in
/// `keelson --endpoints http://10.0.0.1:2379 kv get a`.
enum GlobalOptions {
    private static let withValue = [
        "--endpoints", "--timeout", "-o", "--output", "--user", "--cacert", "--cert", "--key",
    ]
    private static let withoutValue = ["--insecure-skip-tls-verify"]

    /// The words with leading options moved behind the command's name.
    static func hoisted(_ words: [String], root: any ParsableCommand.Type) -> [String] {
        var moved: [String] = []
        var position = 0
        while position < words.count {
            let word = words[position]
            if withValue.contains(word), position + 1 < words.count {
                moved += words[position...(position + 1)]
                position += 2
            } else if withoutValue.contains(word)
                || withValue.contains(where: { word.hasPrefix($0 + "=") })
            {
                moved.append(word)
                position += 1
            } else {
                break
            }
        }
        if moved.isEmpty { return words }
        var path: [String] = []
        var command = root
        while position < words.count,
            let next = command.configuration.subcommands.first(where: {
                $0._commandName == words[position]
                    || $0.configuration.aliases.contains(words[position])
            })
        {
            path.append(words[position])
            command = next
            position += 1
        }
        return path + moved + words[position...]
    }
}
