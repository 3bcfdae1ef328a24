internal import ArgumentParser
internal import KeelsonClient

struct KVCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv",
        abstract: "Read, write and watch keys.",
        discussion: """
            EXAMPLES:
              keelson kv put greeting hello
              keelson kv get --prefix /services/
              keelson kv watch --prefix /services/ --rev 100
            """,
        subcommands: [
            GetCommand.self, PutCommand.self, DeleteCommand.self, TxnCommand.self,
            WatchCommand.self,
        ])
}

/// A key, or a range of keys, on the command line.
struct RangeArguments: ParsableArguments {
    @Argument(help: "The key; with --prefix, how the keys begin.")
    var key: String

    @Argument(help: "The key behind the last one of a range.")
    var rangeEnd: String?

    @Flag(help: "Every key that begins with the given one; all keys if it is empty.")
    var prefix = false

    @Flag(help: "Every key from the given one on.")
    var fromKey = false

    func validate() throws {
        if [prefix, fromKey, rangeEnd != nil].filter({ $0 }).count > 1 {
            throw ValidationError("--prefix, --from-key and a range end exclude each other.")
        }
        if key.isEmpty, !prefix, !fromKey {
            throw ValidationError(
                "A key must not be empty; --prefix \"\" is the whole key space.")
        }
    }

    var range: KeyRange {
        let start = Array(key.utf8)
        if prefix { return .prefix(start) }
        if fromKey { return .keys(from: start) }
        if let rangeEnd { return .keys(from: start, to: Array(rangeEnd.utf8)) }
        return .key(start)
    }
}

/// What `get` takes, on the command line and in a transaction.
struct GetArguments: ParsableArguments {
    enum Order: String, ExpressibleByArgument, CaseIterable { case ascend, descend }
    enum SortTarget: String, ExpressibleByArgument, CaseIterable {
        case key, version, create, modify, value
    }
    enum Consistency: String, ExpressibleByArgument, CaseIterable {
        case linearizable = "l"
        case serializable = "s"
    }

    @OptionGroup var range: RangeArguments

    @Option(help: "The most pairs to print; 0 is no limit.")
    var limit: Int64 = 0

    @Option(help: "Read the store as of this revision; 0 is the newest.")
    var rev: Int64 = 0

    @Option(help: "Sort the answer.", transform: GetArguments.order)
    var order: Order?

    @Option(help: "What to sort by.", transform: GetArguments.sortTarget)
    var sortBy: SortTarget?

    @Option(help: "l for linearizable, s for whatever the member knows.")
    var consistency = Consistency.linearizable

    @Flag(help: "Leave the values out.")
    var keysOnly = false

    @Flag(help: "Only count the keys.")
    var countOnly = false

    @Flag(help: "Leave the keys out.")
    var printValueOnly = false

    @Option(help: "Leave out what was last written before this revision.")
    var minModRev: Int64 = 0

    @Option(help: "Leave out what was last written after this revision.")
    var maxModRev: Int64 = 0

    @Option(help: "Leave out what was created before this revision.")
    var minCreateRev: Int64 = 0

    @Option(help: "Leave out what was created after this revision.")
    var maxCreateRev: Int64 = 0

    func validate() throws {
        if keysOnly && countOnly {
            throw ValidationError("--keys-only and --count-only exclude each other.")
        }
        for bound in [limit, rev, minModRev, maxModRev, minCreateRev, maxCreateRev] where bound < 0
        {
            throw ValidationError("Limits and revisions must not be negative.")
        }
    }

    var options: GetOptions {
        var options = GetOptions()
        options.limit = limit
        options.revision = rev
        switch order {
        case .ascend: options.order = .ascending
        case .descend: options.order = .descending
        case nil: options.order = sortBy == nil ? .none : .ascending
        }
        switch sortBy {
        case .key, nil: options.sortTarget = .key
        case .version: options.sortTarget = .version
        case .create: options.sortTarget = .createRevision
        case .modify: options.sortTarget = .modRevision
        case .value: options.sortTarget = .value
        }
        options.serializable = consistency == .serializable
        options.keysOnly = keysOnly
        options.countOnly = countOnly
        options.minModRevision = minModRev
        options.maxModRevision = maxModRev
        options.minCreateRevision = minCreateRev
        options.maxCreateRevision = maxCreateRev
        return options
    }

    private static func order(_ text: String) throws -> Order {
        guard let order = Order(rawValue: text.lowercased()) else {
            throw ValidationError("'\(text)' is no order; use ascend or descend.")
        }
        return order
    }

    private static func sortTarget(_ text: String) throws -> SortTarget {
        guard let target = SortTarget(rawValue: text.lowercased()) else {
            throw ValidationError(
                "'\(text)' cannot be sorted by; use key, version, create, modify or value.")
        }
        return target
    }
}

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print keys and their values, one a line.",
        discussion: """
            EXAMPLES:
              keelson kv get greeting
              keelson kv get --prefix /services/ --limit 10 --keys-only
              keelson kv get --prefix "" --count-only
            """)

    @OptionGroup var arguments: GetArguments
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let range = arguments.range.range
        let options = arguments.options
        let result = try await cluster.withCluster { try await $0.get(range, options) }
        var output = Output()
        switch cluster.format {
        case .json: output.line(result.json)
        case .text:
            if arguments.countOnly { output.line("\(result.count)") }
            result.print(
                to: &output, keysOnly: arguments.keysOnly, valuesOnly: arguments.printValueOnly)
        }
        output.flush()
    }
}

/// What `put` takes, on the command line and in a transaction.
struct PutArguments: ParsableArguments {
    @Argument(help: "The key.")
    var key: String

    @Argument(help: "The value; without it, standard input is the value.")
    var value: String?

    @Option(help: "The lease that the key will live with, in hexadecimal.")
    var lease: LeaseID?

    @Flag(help: "Print the pair before as well.")
    var prevKv = false

    @Flag(help: "Keep the value that the key has.")
    var ignoreValue = false

    @Flag(help: "Keep the lease that the key has.")
    var ignoreLease = false

    func validate() throws {
        if key.isEmpty { throw ValidationError("A key must not be empty.") }
        if ignoreValue, value != nil {
            throw ValidationError("--ignore-value keeps the value: give none.")
        }
        if ignoreLease, lease != nil {
            throw ValidationError("--ignore-lease keeps the lease: give none.")
        }
    }

    var options: PutOptions {
        var options = PutOptions()
        options.lease = lease?.rawValue ?? 0
        options.returnsPrevious = prevKv
        options.keepsValue = ignoreValue
        options.keepsLease = ignoreLease
        return options
    }
}

struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Write a key.",
        discussion: """
            A value that begins with a dash goes behind --.

            EXAMPLES:
              keelson kv put greeting hello
              keelson kv put --lease 694d7a1f0a0c1b02 /services/web/1 10.0.0.5:80
              keelson kv put configuration < settings.json
              keelson kv put temperature -- -12
            """)

    @OptionGroup var arguments: PutArguments
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let key = Array(arguments.key.utf8)
        let options = arguments.options
        var value = arguments.value.map { Array($0.utf8) } ?? []
        if arguments.value == nil, !arguments.ignoreValue { value = Output.readStandardInput() }
        let result = try await cluster.withCluster { [value] in
            try await $0.put(key, value, options)
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(result.json)
        case .text: result.print(to: &output)
        }
        output.flush()
    }
}

/// What `del` takes, on the command line and in a transaction.
struct DeleteArguments: ParsableArguments {
    @OptionGroup var range: RangeArguments

    @Flag(help: "Print the deleted pairs as well.")
    var prevKv = false
}

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "del",
        abstract: "Delete keys and print how many there were.",
        discussion: """
            EXAMPLES:
              keelson kv del greeting
              keelson kv del --prefix /services/web/ --prev-kv
            """)

    @OptionGroup var arguments: DeleteArguments
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let range = arguments.range.range
        let returnsPrevious = arguments.prevKv
        let result = try await cluster.withCluster {
            try await $0.delete(range, returnsPrevious: returnsPrevious)
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(result.json)
        case .text: result.print(to: &output)
        }
        output.flush()
    }
}

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Print changes of keys as they happen, until interrupted.",
        discussion: """
            A connection or a server that is lost does not end it: it goes on elsewhere behind the
            last change that it printed.

            EXAMPLES:
              keelson kv watch greeting
              keelson kv watch --prefix /services/ --rev 100 --prev-kv
            """)

    @OptionGroup var range: RangeArguments

    @Option(help: "The first revision to see; 0 is whatever comes from now on.")
    var rev: Int64 = 0

    @Flag(help: "Print the pair before each change as well.")
    var prevKv = false

    @Flag(help: "With -o json: print how far the watch has come when nothing else happens.")
    var progressNotify = false

    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if rev < 0 { throw ValidationError("A revision must not be negative.") }
    }

    func run() async throws {
        var options = WatchOptions()
        options.startRevision = rev
        options.returnsPrevious = prevKv
        options.reportsProgress = progressNotify
        let client = try cluster.makeCluster()
        let watch = try await client.watch(range.range, options)
        for try await update in watch {
            var output = Output()
            switch cluster.format {
            case .json: output.line(update.json)
            case .text: update.print(to: &output)
            }
            output.flush()
        }
    }
}
