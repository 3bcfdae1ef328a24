/// What a valid meta says of the file.
struct BoltMeta: Equatable, Sendable {
    let pageBytes: Int
    let root: UInt64
    let pageCount: UInt64
    let transaction: UInt64

    static let pageBytesMin = 1024
    static let pageBytesMax = 1 << 16

    /// The newer one of the two that are valid: a crash spoils one at most. The second is one page
    /// behind the first; where that is unreadable, its place is tried for every size of page.
    static func find(
        _ source: some BoltSource, dataBytes: Int
    ) throws(BoltFileError) -> BoltMeta {
        let first = try read(source, at: 0, dataBytes: dataBytes)
        var second = Result<BoltMeta, BoltMetaFault>.failure(.absent)
        switch first {
        case .success(let meta):
            second = try read(source, at: meta.pageBytes, dataBytes: dataBytes)
        case .failure:
            var pageBytes = pageBytesMin
            while pageBytes <= pageBytesMax {
                let found = try read(source, at: pageBytes, dataBytes: dataBytes)
                if case .success(let meta) = found, meta.pageBytes == pageBytes {
                    second = found
                    break
                }
                if pageBytes == BoltFormat.pageBytes { second = found }
                pageBytes *= 2
            }
        }
        switch (first, second) {
        case (.success(let first), .success(let second)):
            guard second.pageBytes == first.pageBytes else { return first }
            return second.transaction > first.transaction ? second : first
        case (.success(let meta), .failure), (.failure, .success(let meta)): return meta
        case (.failure(let first), .failure(let second)):
            throw .noValidMeta(first: first, second: second)
        }
    }

    private static func read(
        _ source: some BoltSource, at offset: Int, dataBytes: Int
    ) throws(BoltFileError) -> Result<BoltMeta, BoltMetaFault> {
        let bytes = BoltFormat.pageHeadBytes + BoltFormat.metaBytes
        guard offset + bytes <= dataBytes else { return .failure(.absent) }
        let page = try source.checkedBytes(at: offset, count: bytes)
        do { return .success(try parse(page, dataBytes: dataBytes)) } catch {
            return .failure(error)
        }
    }

    private static func parse(
        _ page: [UInt8], dataBytes: Int
    ) throws(BoltMetaFault) -> BoltMeta {
        let magic: UInt32 = page.littleEndian(at: 16)
        let version: UInt32 = page.littleEndian(at: 20)
        let pageBytes: UInt32 = page.littleEndian(at: 24)
        guard magic == BoltFormat.magic else { throw .noMagic }
        guard version == BoltFormat.version else { throw .unknownVersion(version) }
        let start = BoltFormat.pageHeadBytes
        let checked = page[start..<(start + BoltFormat.checkedMetaBytes)]
        guard BoltFormat.checksum(checked) == page.littleEndian(at: 72) else {
            throw .wrongChecksum
        }
        guard pageBytes >= pageBytesMin, pageBytes <= pageBytesMax,
            pageBytes.nonzeroBitCount == 1
        else { throw .badPageSize(pageBytes) }
        let pageCount: UInt64 = page.littleEndian(at: 56)
        guard pageCount <= UInt64(dataBytes) / UInt64(pageBytes) else {
            throw .shortFile(pages: pageCount)
        }
        let root: UInt64 = page.littleEndian(at: 32)
        guard root >= 2, root < pageCount else { throw .badRoot(root) }
        return BoltMeta(
            pageBytes: Int(pageBytes), root: root, pageCount: pageCount,
            transaction: page.littleEndian(at: 64))
    }
}

extension [UInt8] {
    /// The integer at `offset`, which the caller has checked.
    func littleEndian<T: FixedWidthInteger>(at offset: Int) -> T {
        T(littleEndian: withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) })
    }
}
