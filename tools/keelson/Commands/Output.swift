#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Gathers what a command prints and writes it in one go. Keys and values are written as they are,
/// whatever bytes they hold.
struct Output {
    private var bytes: [UInt8] = []

    mutating func line(_ text: String) {
        bytes += text.utf8
        bytes.append(0x0A)
    }

    mutating func line(_ raw: [UInt8]) {
        bytes += raw
        bytes.append(0x0A)
    }

    mutating func line(_ json: JSONValue) {
        json.write(to: &bytes)
        bytes.append(0x0A)
    }

    /// Writes what was gathered. A reader that went away ends the command: there is nobody to tell.
    mutating func flush() {
        if !Output.writeAll(bytes, to: STDOUT_FILENO) { exit(1) }
        bytes.removeAll(keepingCapacity: true)
    }

    /// Columns as wide as their widest cell.
    mutating func table(_ header: [String], _ rows: [[String]]) {
        let widths = header.indices.map { column in
            ([header] + rows).map { $0[column].count }.max() ?? 0
        }
        for row in [header] + rows {
            var text = ""
            for (column, cell) in row.enumerated() {
                let isLast = column == row.count - 1
                let padding = isLast ? 0 : widths[column] - cell.count + 2
                text += cell + String(repeating: " ", count: padding)
            }
            line(text)
        }
    }

    /// A line for whoever watches the command, not for whoever reads what it gives.
    static func complain(_ text: String) {
        writeAll(Array("keelson: \(text)\n".utf8), to: STDERR_FILENO)
    }

    /// False if the reader is gone.
    @discardableResult
    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while offset < raw.count {
                let written = write(descriptor, raw.baseAddress! + offset, raw.count - offset)
                if written < 0 {
                    if errno == EINTR { continue }
                    return false
                }
                offset += written
            }
            return true
        }
    }

    /// Everything that stands on standard input.
    static func readStandardInput() -> [UInt8] {
        var input: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return input }
            input += chunk[..<count]
        }
    }

    static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }
}
