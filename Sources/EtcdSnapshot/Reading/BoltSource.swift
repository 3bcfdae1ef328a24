#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Where a ``BoltReader`` gets bytes from, a few pages at a time.
package protocol BoltSource: Sendable {
    /// The file's size. It does not change while the file is read.
    var byteCount: Int { get }

    /// Exactly `count` bytes from `offset` on. Whoever asks has checked both against ``byteCount``.
    func bytes(at offset: Int, count: Int) throws(BoltFileError) -> [UInt8]
}

extension BoltSource {
    func checkedBytes(at offset: Int, count: Int) throws(BoltFileError) -> [UInt8] {
        guard offset >= 0, count >= 0, offset <= byteCount, count <= byteCount - offset else {
            throw .truncated(offset: offset, needed: count, available: byteCount)
        }
        return try bytes(at: offset, count: count)
    }
}

/// A file that stands in memory.
package struct BoltBytes: BoltSource {
    private let content: [UInt8]

    package init(_ content: [UInt8]) { self.content = content }

    package var byteCount: Int { content.count }

    package func bytes(at offset: Int, count: Int) throws(BoltFileError) -> [UInt8] {
        Array(content[offset..<(offset + count)])
    }
}

/// A file on disk, open as long as this lives.
package final class BoltDiskFile: BoltSource {
    private let descriptor: Int32
    package let byteCount: Int

    /// - Throws: ``BoltFileError/unreadable`` with what the system said.
    package init(path: String) throws(BoltFileError) {
        // Not to wait for a writer, if it is a pipe.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(offset: 0, errno: errno) }
        var facts = stat()
        let status = fstat(descriptor, &facts)
        guard status == 0, facts.st_mode & S_IFMT == S_IFREG else {
            let number = status == 0 ? EINVAL : errno
            close(descriptor)
            throw .unreadable(offset: 0, errno: number)
        }
        byteCount = Int(facts.st_size)
    }

    deinit { close(descriptor) }

    package func bytes(at offset: Int, count: Int) throws(BoltFileError) -> [UInt8] {
        var failure: BoltFileError?
        let content = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = 0
            while filled < count {
                let found = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled,
                    off_t(offset + filled))
                if found < 0, errno == EINTR { continue }
                if found > 0 {
                    filled += found
                } else {
                    failure =
                        found < 0
                        ? .unreadable(offset: offset + filled, errno: errno)
                        : .truncated(offset: offset, needed: count, available: offset + filled)
                    return
                }
            }
        }
        if let failure { throw failure }
        return content
    }
}
