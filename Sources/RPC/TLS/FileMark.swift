#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What tells that a file has changed, without reading it.
package struct FileMark: Equatable, Sendable {
    private var inode: UInt64 = 0
    private var byteCount: Int64 = 0
    private var seconds = 0
    private var nanoseconds = 0

    /// Of a file that is not there, all is zero.
    package init(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        inode = UInt64(status.st_ino)
        byteCount = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
