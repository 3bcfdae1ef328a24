internal import Glibc
internal import Synchronization

/// The operating system's files.
package struct PosixFileSystem: FileSystem {
    package init() {}

    package func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any StorageFile {
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .createNew: O_RDWR | O_CREAT | O_EXCL
            case .openOrCreate: O_RDWR | O_CREAT
            }
        let descriptor = retrying { Glibc.open(path, flags | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else {
            let number = errno
            if number == ENOENT { throw .notFound(path: path) }
            if number == EEXIST { throw .alreadyExists(path: path) }
            throw failure("open", path, number)
        }
        return PosixFile(path: path, descriptor: descriptor)
    }

    package func rename(_ from: String, to: String) throws(StorageError) {
        if Glibc.rename(from, to) != 0 {
            let number = errno
            if number == ENOENT { throw .notFound(path: from) }
            throw failure("rename", from, number)
        }
    }

    package func remove(_ path: String) throws(StorageError) {
        if Glibc.unlink(path) != 0 {
            let number = errno
            if number == ENOENT { throw .notFound(path: path) }
            throw failure("remove", path, number)
        }
    }

    package func list(_ directory: String) throws(StorageError) -> [String] {
        guard let stream = opendir(directory) else {
            let number = errno
            if number == ENOENT { throw .notFound(path: directory) }
            throw failure("list", directory, number)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        if errno != 0 { throw failure("list", directory, errno) }
        return names.sorted()
    }

    package func makeDirectory(_ path: String) throws(StorageError) {
        if mkdir(path, 0o700) != 0 {
            let number = errno
            if number == EEXIST, case .directory = try kind(of: path) { return }
            throw failure("create", path, number)
        }
    }

    package func syncDirectory(_ path: String) throws(StorageError) {
        let descriptor = retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else {
            let number = errno
            if number == ENOENT { throw .notFound(path: path) }
            throw failure("open", path, number)
        }
        defer { _ = Glibc.close(descriptor) }
        // Not repeated after EINTR: a failed sync is final.
        if fsync(descriptor) != 0 { throw .syncFailed(path: path, errno: errno) }
    }

    package func kind(of path: String) throws(StorageError) -> PathKind {
        var status = stat()
        if lstat(path, &status) != 0 {
            let number = errno
            if number == ENOENT || number == ENOTDIR { return .missing }
            throw failure("look-up", path, number)
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFLNK: return .symbolicLink
        case S_IFDIR:
            return .directory(
                groupMayWrite: status.st_mode & S_IWGRP != 0,
                worldMayWrite: status.st_mode & S_IWOTH != 0,
                isForeign: status.st_uid != 0 && status.st_uid != geteuid())
        default: return .other
        }
    }
}

/// One descriptor, and perhaps another one for writes past the page cache.
private final class PosixFile: StorageFile {
    let path: String
    private let descriptor: Int32
    /// -1: writes go through the page cache.
    private let direct = Atomic<Int32>(-1)
    /// It did not take a write: the file system, or the disk below it, cannot.
    private let isDirectRefused = Atomic<Bool>(false)
    /// Of offset, size and memory. A disk with larger sectors refuses.
    private static let directAlignment = 512
    /// The errno of a failed sync; zero while the file is good.
    private let syncFailure = Atomic<Int32>(0)

    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        _ = Glibc.close(descriptor)
        let direct = direct.load(ordering: .relaxed)
        if direct >= 0 { _ = Glibc.close(direct) }
    }

    func bypassCache() {
        guard directFlag != 0, direct.load(ordering: .relaxed) < 0 else { return }
        let other = retrying { Glibc.open(path, O_WRONLY | directFlag | O_CLOEXEC) }
        guard other >= 0 else { return }
        var (mine, its) = (stat(), stat())
        // The name may be another file's by now.
        let isSame =
            fstat(descriptor, &mine) == 0 && fstat(other, &its) == 0 && mine.st_dev == its.st_dev
            && mine.st_ino == its.st_ino
        let (isKept, _) = direct.compareExchange(
            expected: -1, desired: isSame ? other : -1, ordering: .relaxed)
        if !isSame || !isKept { _ = Glibc.close(other) }
    }

    /// How much of `bytes` went past the page cache.
    private func writeDirectly(
        _ bytes: UnsafeRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        let direct = direct.load(ordering: .relaxed)
        guard direct >= 0, let base = bytes.baseAddress,
            (Int(bitPattern: base) | offset | bytes.count) % Self.directAlignment == 0,
            !isDirectRefused.load(ordering: .relaxed)
        else { return 0 }
        var done = 0
        // What a short write leaves may begin anywhere; the page cache takes the rest then.
        while done < bytes.count, done % Self.directAlignment == 0 {
            let count = retrying {
                pwrite(direct, base + done, bytes.count - done, off_t(offset + done))
            }
            if count < 0, errno == EINVAL {
                isDirectRefused.store(true, ordering: .relaxed)
                break
            }
            if count <= 0 {
                let number = count == 0 ? EIO : errno
                throw failure(
                    "write", path, number, offset: offset + done, bytes: bytes.count - done)
            }
            done += count
        }
        return done
    }

    private func checkAlive() throws(StorageError) {
        let number = syncFailure.load(ordering: .relaxed)
        if number != 0 { throw .syncFailed(path: path, errno: number) }
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        try checkAlive()
        guard let base = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            let count = retrying {
                pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
            }
            if count < 0 { throw failure("read", path, errno, offset: offset + done) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
        try checkAlive()
        guard let base = bytes.baseAddress else { return }
        var done = try writeDirectly(bytes, at: offset)
        while done < bytes.count {
            let count = retrying {
                pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
            }
            if count <= 0 {
                let number = count == 0 ? EIO : errno
                throw failure(
                    "write", path, number, offset: offset + done, bytes: bytes.count - done)
            }
            done += count
        }
    }

    func sync() throws(StorageError) {
        try checkAlive()
        // Not repeated after EINTR: the kernel may have dropped the pages and cleared the error.
        if fdatasync(descriptor) != 0 {
            let number = errno
            syncFailure.store(number, ordering: .relaxed)
            throw .syncFailed(path: path, errno: number)
        }
    }

    func allocate(_ byteCount: Int) throws(StorageError) {
        try checkAlive()
        if byteCount == 0 { return }
        var number: Int32
        repeat { number = posix_fallocate(descriptor, 0, off_t(byteCount)) } while number == EINTR
        if number != 0 { throw failure("allocate", path, number, bytes: byteCount) }
    }

    func truncate(to byteCount: Int) throws(StorageError) {
        try checkAlive()
        if retrying({ Int(ftruncate(descriptor, off_t(byteCount))) }) != 0 {
            throw failure("truncate", path, errno, offset: byteCount)
        }
    }

    func size() throws(StorageError) -> Int {
        try checkAlive()
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw failure("look-up", path, errno) }
        return Int(status.st_size)
    }

    func lock() throws(StorageError) -> Bool {
        try checkAlive()
        if retrying({ Int(flock(descriptor, LOCK_EX | LOCK_NB)) }) == 0 { return true }
        if errno == EWOULDBLOCK { return false }
        throw failure("lock", path, errno)
    }
}

/// O_DIRECT, which the C library keeps from Swift; zero where its number is not known here.
/// Source: the kernel's asm/fcntl.h of each architecture.
#if arch(x86_64)
    private let directFlag: Int32 = 0o40000
#elseif arch(arm64)
    private let directFlag: Int32 = 0o200000
#else
    private let directFlag: Int32 = 0
#endif

/// Repeats a call that a signal interrupted before it did anything.
private func retrying<T: FixedWidthInteger>(_ call: () -> T) -> T {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}

private func failure(
    _ operation: String, _ path: String, _ number: Int32, offset: Int = -1, bytes: Int = 0
) -> StorageError {
    if number == ENOSPC || number == EDQUOT {
        return .outOfSpace(operation: operation, path: path, bytesNeeded: bytes)
    }
    return .io(operation: operation, path: path, offset: offset, errno: number)
}

extension StorageError {
    /// What the C library says about `number`.
    static func text(ofErrno number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        guard strerror_r(number, &buffer, buffer.count) == 0 else { return "errno \(number)" }
        let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: text, as: UTF8.self)
    }
}
