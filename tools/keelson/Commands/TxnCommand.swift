internal import ArgumentParser
internal import KeelsonClient

struct TxnCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "txn",
        abstract: "Carry out a transaction that is read from standard input.",
        discussion: """
            Three blocks with an empty line between: comparisons; what to do if all of them hold;
            what to do if not. A comparison is TARGET("KEY") RELATION "VALUE", where the target is
            version, create, mod, value or lease and the relation one of = != < >. What to do is
            one get, put or del a line, as on the command line.

            EXAMPLES:
              keelson kv txn <<'END'
              version("greeting") = "0"

              put greeting "good morning"

              get greeting
              END
            """)

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        if Output.inputIsTerminal {
            let prompt =
                "comparisons, an empty line, operations if they hold, an empty line,"
                + " operations if not; then Ctrl-D\n"
            Output.writeAll(Array(prompt.utf8), to: 2)
        }
        let text = String(decoding: Output.readStandardInput(), as: UTF8.self)
        let transaction: Transaction
        do { transaction = try TxnScript.parse(text) } catch {
            throw Failure(
                .usage, "line \(error.line) of the transaction: \(error.reason)",
                advice: "`keelson kv txn --help` shows the form")
        }
        let result = try await cluster.withCluster { try await $0.commit(transaction) }
        var output = Output()
        switch cluster.format {
        case .json: output.line(result.json)
        case .text: result.print(to: &output)
        }
        output.flush()
    }
}
