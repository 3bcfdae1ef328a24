/// A bbolt file as a test reads it: simply, and complaining about everything that is odd.
struct BoltFile {
    struct Problem: Error, CustomStringConvertible { var description: String }

    let bytes: [UInt8]
    private(set) var seenPages: Set<Int> = [0, 1]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private func number<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type = T.self) throws -> T {
        let end = offset + MemoryLayout<T>.size
        guard offset >= 0, end <= bytes.count else {
            throw Problem(description: "offset \(offset) is outside the file")
        }
        return bytes[offset..<end].reversed().reduce(0) { $0 << 8 | T($1) }
    }

    private func slice(_ start: Int, _ count: Int) throws -> [UInt8] {
        guard count >= 0, start + count <= bytes.count else {
            throw Problem(description: "\(count) bytes at \(start) are outside the file")
        }
        return Array(bytes[start..<(start + count)])
    }

    /// All buckets with their pairs in order; every page is reached exactly once, and keys ascend.
    mutating func buckets() throws -> [String: [(key: [UInt8], value: [UInt8])]] {
        var meta = 16
        for page in 0..<2 where try number(page * 4096 + 64, UInt64.self) > number(meta + 48) {
            meta = page * 4096 + 16
        }
        guard try number(meta, UInt32.self) == 0xED0C_DAED else {
            throw Problem(description: "no magic")
        }
        let pageCount = Int(try number(meta + 40, UInt64.self))
        guard bytes.count == pageCount * 4096 else {
            throw Problem(description: "\(bytes.count) bytes, \(pageCount) pages")
        }
        var found: [String: [(key: [UInt8], value: [UInt8])]] = [:]
        var names: [[UInt8]] = []
        var roots: [(name: String, page: Int)] = []
        try walk(Int(try number(meta + 16, UInt64.self))) { flags, key, value in
            guard flags == 1, value.count == 16 else { throw Problem(description: "no bucket") }
            names.append(key)
            let root = value[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
            roots.append((String(decoding: key, as: UTF8.self), root))
        }
        for (name, root) in roots {
            var pairs: [(key: [UInt8], value: [UInt8])] = []
            try walk(root) { flags, key, value in
                guard flags == 0 else { throw Problem(description: "a bucket in a bucket") }
                if let last = pairs.last, !last.key.lexicographicallyPrecedes(key) {
                    throw Problem(description: "keys do not ascend in \(name)")
                }
                pairs.append((key, value))
            }
            found[name] = pairs
        }
        seenPages.insert(Int(try number(meta + 32, UInt64.self)))
        guard seenPages == Set(0..<pageCount) else {
            throw Problem(description: "pages are lost, or used twice")
        }
        return found
    }

    private mutating func walk(
        _ page: Int, _ visit: (UInt32, [UInt8], [UInt8]) throws -> Void
    ) throws {
        let start = page * 4096
        guard try number(start, UInt64.self) == UInt64(page) else {
            throw Problem(description: "page \(page) has another number")
        }
        for number in page...(page + Int(try number(start + 12, UInt32.self)))
        where !seenPages.insert(number).inserted {
            throw Problem(description: "page \(number) is used twice")
        }
        let kind: UInt16 = try number(start + 8)
        let count = Int(try number(start + 10, UInt16.self))
        for index in 0..<count {
            let element = start + 16 + index * 16
            if kind == 2 {
                let key = element + Int(try number(element + 4, UInt32.self))
                let keyBytes = Int(try number(element + 8, UInt32.self))
                let valueBytes = Int(try number(element + 12, UInt32.self))
                try visit(
                    try number(element), try slice(key, keyBytes),
                    try slice(key + keyBytes, valueBytes))
            } else if kind == 1 {
                try walk(Int(try number(element + 8, UInt64.self)), visit)
            } else {
                throw Problem(description: "page \(page) is of kind \(kind)")
            }
        }
    }
}
