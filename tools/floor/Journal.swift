internal import Foundation
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Storage

/// The file that a process's puts go to. Its room is written with zeros at the start, so that a
/// sync has no metadata to write, and used from its beginning again when it is full: what stands in
/// it is never read.
private final class JournalFile {
    private static let byteCount = 64 << 20
    private let file: any StorageFile
    private var offset = 0

    init(folder: String) throws(StorageError) {
        file = try PosixFileSystem().open(folder + "/journal", .createNew)
        try file.allocate(Self.byteCount)
        try file.fillWithZeros(to: Self.byteCount)
        try file.sync()
    }

    /// Writes everything and syncs once.
    func append(_ bytes: [UInt8]) throws(StorageError) {
        if bytes.count <= Self.byteCount - offset {
            try file.write(bytes, at: offset)
            offset += bytes.count
        } else {
            var rest = bytes[...]
            while !rest.isEmpty {
                if offset == Self.byteCount { offset = 0 }
                let piece = rest.prefix(Self.byteCount - offset)
                try file.write(Array(piece), at: offset)
                offset += piece.count
                rest = rest.dropFirst(piece.count)
            }
        }
        try file.sync()
    }
}

/// The one thread that writes and syncs: what gathers while a sync runs goes with the next one.
///
/// `@unchecked Sendable`: what is pending is touched under the lock only, the file on the thread
/// only.
final class Journal: @unchecked Sendable {
    private let file: JournalFile
    private let loop: any EventLoop
    private let onDurable: @Sendable (UInt64) -> Void
    /// True while something is pending.
    private let lock = ConditionLock(value: false)
    private var pending: [UInt8] = []
    private var lastPut: UInt64 = 0

    /// - Parameter onDurable: told on the event loop of the last put that is durable.
    init(
        folder: String, loop: any EventLoop, onDurable: @escaping @Sendable (UInt64) -> Void
    ) throws(StorageError) {
        file = try JournalFile(folder: folder)
        self.loop = loop
        self.onDurable = onDurable
        Thread.detachNewThread { self.work() }
    }

    /// - Parameter last: the number of the last put in `bytes`.
    func append(_ bytes: [UInt8], through last: UInt64) {
        lock.lock()
        if pending.isEmpty { pending = bytes } else { pending += bytes }
        lastPut = last
        lock.unlock(withValue: true)
    }

    private func work() {
        while true {
            var batch: [UInt8] = []
            lock.lock(whenValue: true)
            swap(&batch, &pending)
            let last = lastPut
            lock.unlock(withValue: false)
            do { try file.append(batch) } catch { FloorProcess.fail("\(error)") }
            loop.execute { self.onDurable(last) }
        }
    }
}
