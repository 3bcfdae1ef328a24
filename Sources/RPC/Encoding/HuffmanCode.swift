internal import Primitives

/// A canonical Huffman code as a table that is indexed by the next bits of input.
struct HuffmanCode {
    static let lengthMax = 15

    /// Symbol in the upper bits, length in the lower four; 0 where no code leads.
    private let table: [UInt16]
    private let mask: UInt64

    /// - Throws: when the lengths ask for more codes than there are.
    init(_ lengths: ArraySlice<UInt8>) throws(Gzip.Failure) {
        guard let made = Self.make(Array(lengths)) else { throw .corrupt("code lengths") }
        self = made
    }

    /// For codes that are known to be right.
    init(complete lengths: [UInt8]) {
        self = Self.make(lengths) ?? HuffmanCode(table: [0], mask: 0)
    }

    private init(table: [UInt16], mask: UInt64) {
        self.table = table
        self.mask = mask
    }

    @inline(__always)
    func entry(_ bits: UInt64) -> UInt16 { table[Int(bits & mask)] }

    private static func make(_ lengths: [UInt8]) -> HuffmanCode? {
        let longest = Int(lengths.max() ?? 0)
        guard longest <= lengthMax else { return nil }
        var table = [UInt16](repeating: 0, count: 1 << longest)
        var code = 0
        for length in stride(from: 1, through: longest, by: 1) {
            code <<= 1
            for (symbol, its) in lengths.enumerated() where Int(its) == length {
                guard code < 1 << length else { return nil }
                let entry = UInt16(truncatingIfNeeded: symbol << 4 | length)
                var index = reversed(code, length)
                while index < table.count {
                    table[index] = entry
                    index += 1 << length
                }
                code += 1
            }
        }
        return HuffmanCode(table: table, mask: UInt64(table.count - 1))
    }

    /// Codes are written with their first bit lowest.
    private static func reversed(_ code: Int, _ length: Int) -> Int {
        (0..<length).reduce(0) { $0 << 1 | (code >> $1 & 1) }
    }
}
