internal import Primitives

/// Decompresses DEFLATE (RFC 1951). Total: any bytes give output or an error, and no more output
/// than the limit.
struct Inflater {
    private let input: [UInt8]
    private let end: Int
    private let byteCountMax: Int
    /// The next byte of input that was not taken.
    private(set) var position: Int
    private(set) var output: [UInt8] = []
    private var bits: UInt64 = 0
    private var bitCount = 0

    init(_ input: [UInt8], from start: Int, to end: Int, _ byteCountMax: Int) {
        self.input = input
        self.end = end
        self.byteCountMax = byteCountMax
        position = start
    }

    mutating func run() throws(Gzip.Failure) {
        var isLast = false
        while !isLast {
            isLast = try take(1) == 1
            switch try take(2) {
            case 0: try copyStored()
            case 1: try inflate(lengths: Self.fixedLengths, distances: Self.fixedDistances)
            case 2: try inflateDynamic()
            default: throw .corrupt("reserved block type")
            }
        }
        // Whole bytes that were looked at ahead are given back.
        position -= bitCount / 8
        bitCount = 0
    }

    // MARK: Bits

    private mutating func fill() {
        while bitCount <= 48, position < end {
            bits |= UInt64(input[position]) << UInt64(bitCount)
            position += 1
            bitCount += 8
        }
    }

    private mutating func take(_ count: Int) throws(Gzip.Failure) -> Int {
        if bitCount < count { fill() }
        guard bitCount >= count else { throw .corrupt("truncated") }
        let value = Int(bits & (1 << UInt64(count) - 1))
        bits >>= UInt64(count)
        bitCount -= count
        return value
    }

    private mutating func take(_ code: HuffmanCode) throws(Gzip.Failure) -> Int {
        if bitCount < HuffmanCode.lengthMax { fill() }
        let entry = code.entry(bits)
        let length = Int(entry & 15)
        guard length > 0, length <= bitCount else { throw .corrupt("invalid code") }
        bits >>= UInt64(length)
        bitCount -= length
        return Int(entry >> 4)
    }

    // MARK: Blocks

    private mutating func reserve(_ count: Int) throws(Gzip.Failure) {
        guard count <= byteCountMax - output.count else { throw .tooLarge }
    }

    private mutating func copyStored() throws(Gzip.Failure) {
        let odd = bitCount % 8
        bits >>= UInt64(odd)
        bitCount -= odd
        let count = try take(16)
        guard try take(16) == count ^ 0xFFFF else { throw .corrupt("stored length") }
        position -= bitCount / 8
        bits = 0
        bitCount = 0
        guard count <= end - position else { throw .corrupt("truncated") }
        try reserve(count)
        output.append(contentsOf: input[position..<(position + count)])
        position += count
    }

    private mutating func inflate(
        lengths: HuffmanCode, distances: HuffmanCode
    ) throws(Gzip.Failure) {
        while true {
            let symbol = try take(lengths)
            if symbol < 256 {
                try reserve(1)
                output.append(UInt8(truncatingIfNeeded: symbol))
            } else if symbol == 256 {
                return
            } else {
                guard symbol - 257 < Self.lengthBases.count else { throw .corrupt("length") }
                let (base, extra) = Self.lengthBases[symbol - 257]
                let count = base + (try take(extra))
                let distanceSymbol = try take(distances)
                guard distanceSymbol < Self.distanceBases.count else { throw .corrupt("distance") }
                let (distanceBase, distanceExtra) = Self.distanceBases[distanceSymbol]
                let distance = distanceBase + (try take(distanceExtra))
                guard distance <= output.count else { throw .corrupt("distance") }
                try reserve(count)
                // The copy may overlap what it makes.
                for _ in 0..<count { output.append(output[output.count - distance]) }
            }
        }
    }

    private static let codeLengthOrder = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ]

    private mutating func inflateDynamic() throws(Gzip.Failure) {
        let lengthCount = try take(5) + 257
        let distanceCount = try take(5) + 1
        let codeCount = try take(4) + 4
        var codeLengths = [UInt8](repeating: 0, count: 19)
        for index in 0..<codeCount {
            codeLengths[Self.codeLengthOrder[index]] = UInt8(truncatingIfNeeded: try take(3))
        }
        let code = try HuffmanCode(codeLengths[...])
        var lengths: [UInt8] = []
        while lengths.count < lengthCount + distanceCount {
            let symbol = try take(code)
            switch symbol {
            case 16:
                guard let last = lengths.last else { throw .corrupt("nothing to repeat") }
                lengths.append(contentsOf: repeatElement(last, count: 3 + (try take(2))))
            case 17: lengths.append(contentsOf: repeatElement(0, count: 3 + (try take(3))))
            case 18: lengths.append(contentsOf: repeatElement(0, count: 11 + (try take(7))))
            default: lengths.append(UInt8(truncatingIfNeeded: symbol))
            }
        }
        guard lengths.count == lengthCount + distanceCount else { throw .corrupt("code lengths") }
        try inflate(
            lengths: HuffmanCode(lengths[..<lengthCount]),
            distances: HuffmanCode(lengths[lengthCount...]))
    }

    // MARK: Tables of RFC 1951 §3.2.5 and §3.2.6

    private static let lengthBases: [(Int, Int)] = {
        let extras = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4]
        let bases = series(extras + [5, 5, 5, 5], from: 3)
        // 285 is 258 and nothing more, although 284 could say it too.
        return bases + [(258, 0)]
    }()

    private static let distanceBases = series(
        [0, 0] + (0..<14).flatMap { [$0, $0] }, from: 1)

    private static func series(_ extras: [Int], from first: Int) -> [(Int, Int)] {
        var base = first
        return extras.map { extra in
            defer { base += 1 << extra }
            return (base, extra)
        }
    }

    private static let fixedLengths = HuffmanCode(
        complete: [UInt8](repeating: 8, count: 144) + [UInt8](repeating: 9, count: 112)
            + [UInt8](repeating: 7, count: 24) + [UInt8](repeating: 8, count: 8))
    private static let fixedDistances = HuffmanCode(complete: [UInt8](repeating: 5, count: 30))
}
