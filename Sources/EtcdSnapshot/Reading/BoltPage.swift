/// A branch or leaf page, or the page inside an inline bucket: what its elements name is checked
/// before it is used.
struct BoltPage: Sendable {
    /// Of the page's bytes, those kept here; a page that goes on for longer is read row by row.
    static let keptBytesMax = 1 << 16

    struct Element {
        let flags: UInt32
        let keyOffset: Int
        let keyBytes: Int
        /// Of a leaf: bytes of the value. Of a branch: the child's page.
        let payload: UInt64
    }

    let number: UInt64
    /// Where it begins in the file.
    let offset: Int
    let isLeaf: Bool
    let elementCount: Int
    /// With the pages that it goes on for.
    private let totalBytes: Int
    private let kept: [UInt8]

    /// A page of the file's own.
    init(
        _ source: some BoltSource, _ meta: BoltMeta, number: UInt64
    ) throws(BoltFileError) {
        guard number >= 2, number < meta.pageCount else {
            throw .badPage(number: number, offset: 0, .outsideFile)
        }
        let offset = Int(number) * meta.pageBytes
        let first = try source.checkedBytes(at: offset, count: meta.pageBytes)
        let found: UInt64 = first.littleEndian(at: 0)
        guard found == number else {
            throw .badPage(number: number, offset: offset, .otherNumber(found))
        }
        let overflow: UInt32 = first.littleEndian(at: 12)
        guard UInt64(overflow) < meta.pageCount - number else {
            throw .badPage(number: number, offset: offset, .overflowOutsideFile(pages: overflow))
        }
        let total = (Int(overflow) + 1) * meta.pageBytes
        // All elements are at most a mebibyte.
        let elements = Int(first.littleEndian(at: 10) as UInt16)
        let table = BoltFormat.pageHeadBytes + elements * BoltFormat.elementBytes
        let keptBytes = min(total, max(Self.keptBytesMax, table))
        let more =
            keptBytes > first.count
            ? try source.checkedBytes(at: offset + first.count, count: keptBytes - first.count)
            : []
        try self.init(number: number, offset: offset, totalBytes: total, kept: first + more)
    }

    /// The page inside an inline bucket, whose value these bytes are.
    init(inline bytes: [UInt8], number: UInt64, offset: Int) throws(BoltFileError) {
        guard bytes.count >= BoltFormat.pageHeadBytes else {
            throw .badPage(number: number, offset: offset, .shortBucket(index: 0))
        }
        try self.init(number: number, offset: offset, totalBytes: bytes.count, kept: bytes)
        guard isLeaf else {
            throw .badPage(number: number, offset: offset, .otherKind(1))
        }
    }

    private init(
        number: UInt64, offset: Int, totalBytes: Int, kept: [UInt8]
    ) throws(BoltFileError) {
        self.number = number
        self.offset = offset
        self.totalBytes = totalBytes
        self.kept = kept
        let kind: UInt16 = kept.littleEndian(at: 8)
        elementCount = Int(kept.littleEndian(at: 10) as UInt16)
        switch BoltFormat.PageKind(rawValue: kind) {
        case .leaf: isLeaf = true
        case .branch: isLeaf = false
        case .meta, .free, nil: throw .badPage(number: number, offset: offset, .otherKind(kind))
        }
        let table = BoltFormat.pageHeadBytes + elementCount * BoltFormat.elementBytes
        guard table <= kept.count else { throw fault(.elementOutside(index: elementCount - 1)) }
        guard isLeaf || elementCount > 0 else { throw fault(.emptyBranch) }
    }

    /// - Throws: what is wrong with the element; all that it names is inside this page otherwise.
    func element(_ index: Int) throws(BoltFileError) -> Element {
        let start = BoltFormat.pageHeadBytes + index * BoltFormat.elementBytes
        let words: [UInt32] = (0..<4).map { kept.littleEndian(at: start + $0 * 4) }
        let found: Element
        if isLeaf {
            found = Element(
                flags: words[0], keyOffset: start + Int(words[1]), keyBytes: Int(words[2]),
                payload: UInt64(words[3]))
        } else {
            found = Element(
                flags: 0, keyOffset: start + Int(words[0]), keyBytes: Int(words[1]),
                payload: UInt64(words[3]) << 32 | UInt64(words[2]))
        }
        guard found.flags & ~BoltFormat.bucketFlag == 0 else {
            throw fault(.unknownFlags(index: index, found.flags))
        }
        guard found.keyBytes > 0 || !isLeaf, found.keyBytes <= BoltFormat.keyBytesMax else {
            throw fault(.badKeySize(index: index, bytes: found.keyBytes))
        }
        let valueBytes = isLeaf ? Int(found.payload) : 0
        let table = BoltFormat.pageHeadBytes + elementCount * BoltFormat.elementBytes
        guard found.keyOffset >= table,
            found.keyOffset + found.keyBytes + valueBytes <= totalBytes
        else { throw fault(.elementOutside(index: index)) }
        return found
    }

    func bytes(
        _ source: some BoltSource, at start: Int, count: Int
    ) throws(BoltFileError) -> [UInt8] {
        if start + count <= kept.count { return Array(kept[start..<(start + count)]) }
        return try source.checkedBytes(at: offset + start, count: count)
    }

    func fault(_ fault: BoltPageFault) -> BoltFileError {
        .badPage(number: number, offset: offset, fault)
    }

    /// How many pages of the file it takes.
    func pages(_ meta: BoltMeta) -> Int { totalBytes / meta.pageBytes }
}
