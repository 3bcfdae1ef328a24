internal import Measuring

/// All that a run found out.
struct MicroReport: Encodable {
    let seconds: Double
    let machine: MachineFacts
    let pieces: [Measurement]

    /// A table for a terminal.
    var text: String {
        let rows = [Self.header] + pieces.map(Self.cells)
        let widths = Self.header.indices.map { column in
            rows.map { $0[column].count }.max() ?? 0
        }
        let lines = rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        return lines.joined(separator: "\n") + "\n\(machine.text)"
    }

    private var hasInstructions: Bool { pieces.contains { $0.instructions != nil } }

    /// A table for a page of documentation.
    var markdown: String {
        var header = ["piece", "one operation is", "ns", "best to worst", "processor ns"]
        if hasInstructions { header.append("instructions") }
        header += ["allocations", "bytes a second"]
        var lines = [
            "\(machine.text); \(Figures.short(seconds)) s a piece.", "",
            "| " + header.joined(separator: " | ") + " |",
            "|" + String(repeating: "---|", count: header.count),
        ]
        for piece in pieces {
            let spread =
                "\(Figures.short(piece.nanosecondsMin)) to \(Figures.short(piece.nanosecondsMax))"
            var cells = [
                "`\(piece.name)`", piece.summary, Figures.short(piece.nanoseconds), spread,
                Figures.short(piece.processorNanoseconds),
            ]
            if hasInstructions { cells.append(piece.instructions.map(Figures.short) ?? "") }
            cells.append(piece.allocations.map { Figures.fixed($0, 1) } ?? "")
            cells.append(piece.bytesPerSecond.map(Self.rate) ?? "")
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n")
    }

    private static let header = [
        "piece", "ns/op", "best", "worst", "cpu ns/op", "op/s", "instr/op", "allocs/op", "bytes/op",
        "volume",
    ]

    private static func cells(_ piece: Measurement) -> [String] {
        var volume = ""
        if let items = piece.itemsPerSecond, let bytes = piece.bytesPerSecond {
            volume = "\(Figures.fixed(items, 0)) \(piece.noun ?? "")/s, \(rate(bytes))"
        }
        return [
            piece.name, Figures.short(piece.nanoseconds), Figures.short(piece.nanosecondsMin),
            Figures.short(piece.nanosecondsMax), Figures.short(piece.processorNanoseconds),
            Figures.fixed(1e9 / piece.nanoseconds, 0),
            piece.instructions.map(Figures.short) ?? "-",
            piece.allocations.map { Figures.fixed($0, 2) } ?? "-",
            piece.allocatedBytes.map { Figures.fixed($0, 0) } ?? "-", volume,
        ]
    }

    private static func rate(_ bytesPerSecond: Double) -> String {
        "\(Figures.short(bytesPerSecond / 1e6)) MB/s"
    }
}
