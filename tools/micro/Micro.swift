internal import ArgumentParser
internal import Foundation
internal import Measuring

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json, markdown
}

@main
struct Micro: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keelson-micro",
        abstract: "Measure each piece of the hot path alone, with the server's own code.",
        discussion: """
            A figure is the median of some batches, in nanoseconds an operation. Allocations are \
            counted where the allocator tells; instructions with --count-instructions, where \
            kernel and machine allow it, or with `scripts/micro.sh NAME`. Run it on a machine \
            that does nothing else.

            EXAMPLES:
              keelson-micro --list
              keelson-micro raft store-put --seconds 3
              keelson-micro -o json >micro.json
            """)

    @Argument(help: "Pieces, or how the names of several begin, like raft. Without any: all.")
    var names: [String] = []

    @Flag(help: "Only print which pieces there are.")
    var list = false

    @Option(help: "How long to measure each piece, in seconds.")
    var seconds = 1.0

    @Option(help: "Do exactly so many operations once, for callgrind; 0 only gets ready.")
    var operations: Int?

    @Flag(help: "Count instructions in user mode.")
    var countInstructions = false

    @Option(help: "A folder on the disk to measure, which is made where it is missing.")
    var dataDir = ".build/micro"

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print: text, json or markdown.", valueName: "format"))
    var format = OutputFormat.text

    func validate() throws {
        guard seconds > 0, seconds <= 3600 else {
            throw ValidationError("--seconds must be above 0, up to 3600.")
        }
        if let operations, operations < 0 {
            throw ValidationError("--operations must not be negative.")
        }
        if operations != nil, countInstructions {
            throw ValidationError("--operations and --count-instructions exclude each other.")
        }
        for name in names where Piece.meant(by: name).isEmpty {
            throw ValidationError("there is no piece '\(name)'; --list prints all.")
        }
        guard !dataDir.isEmpty else { throw ValidationError("--data-dir must name a folder.") }
    }

    /// Each once, in the order of the list.
    private var pieces: [Piece] {
        let wanted = Set(names.flatMap { Piece.meant(by: $0) }.map(\.name))
        return Piece.all.filter { names.isEmpty || wanted.contains($0.name) }
    }

    func run() throws {
        if list {
            let width = Piece.all.map(\.name.count).max() ?? 0
            for piece in pieces {
                let padding = String(repeating: " ", count: width - piece.name.count)
                print("\(piece.name)\(padding)  \(piece.summary)")
            }
            return
        }
        let folder = try ScratchFolder(in: dataDir, for: "keelson-micro")
        folder.removeWhenInterrupted()
        defer { folder.remove() }
        // Said before the first piece has taken its time.
        if countInstructions { _ = try InstructionCounter() }
        let runner = Runner(
            seconds: seconds, operations: operations, countsInstructions: countInstructions)
        var measured: [Measurement] = []
        for piece in pieces {
            say("\(measured.count + 1) of \(pieces.count): \(piece.name)")
            measured.append(try runner.measure(piece, Workplace(folder: folder.path)))
        }
        let report = MicroReport(
            seconds: seconds, machine: try MachineFacts(folder: folder.path), pieces: measured)
        switch format {
        case .text: print(report.text)
        case .json: print(try Figures.json(report))
        case .markdown: print(report.markdown)
        }
    }

    /// Progress, for whoever watches and not for whoever reads the figures.
    private func say(_ line: String) {
        if isatty(STDERR_FILENO) == 1 {
            FileHandle.standardError.write(Data("\(line)\n".utf8))
        }
    }
}
