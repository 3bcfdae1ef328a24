/// The file format of bbolt, in which etcd keeps its data and its snapshots.
///
/// ```
/// file    pages of 4096 bytes; 0 and 1 are metas, the valid one with the higher transaction counts
///
/// page    0  u64  its number         10  u16  elements
///         8  u16  kind, see below    12  u32  pages that it goes on for, behind this one
///
/// meta    16  u32  magic             40  u64  sequence of the root bucket, zero
///         20  u32  version, 2        48  u64  page of the list of free pages
///         24  u32  page size         56  u64  first page behind the file
///         28  u32  flags, zero       64  u64  transaction
///         32  u64  root page         72  u64  FNV-1a of the 56 bytes from the magic on
///
/// leaf    after the header, for each element in order of its key: u32 flags (1: a bucket), u32
/// where
///         its key begins, counted from the element, u32 bytes of the key, u32 of the value; then
///         keys and values, each value behind its key. A bucket's value is u64 root page, u64
///         sequence.
///
/// branch  for each child in order: u32 where its first key begins, u32 bytes of it, u64 page
///
/// free    u64 page numbers, in order
/// ```
/// All little-endian. An element larger than a page has one to itself that goes on behind it.
/// Source: github.com/etcd-io/bbolt, page.go, db.go and bucket.go.
enum BoltFormat {
    static let pageBytes = 4096
    static let pageHeadBytes = 16
    static let elementBytes = 16
    static let bucketBytes = 16
    static let magic: UInt32 = 0xED0C_DAED
    static let version: UInt32 = 2
    static let metaBytes = 64
    /// What a meta's checksum is over.
    static let checkedMetaBytes = 56
    static let bucketFlag: UInt32 = 1
    static let keyBytesMax = 32_768
    static let valueBytesMax = (1 << 31) - 2

    enum PageKind: UInt16 {
        case branch = 1
        case leaf = 2
        case meta = 4
        case free = 16
    }

    /// FNV-1a, 64 bits.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}

extension [UInt8] {
    mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
