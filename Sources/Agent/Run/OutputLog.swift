internal import AgentLogic
internal import Glibc

/// One output of a task, in a file that is rotated: `stdout`, then `stdout.1` and so on, the
/// highest number the oldest.
///
/// Nothing is lost between two files: a file is filled to its limit to the byte. What no file takes
/// (a full disk) is counted and dropped, since a task must not be held up by it.
///
/// The sandbox belongs to the task, which may put anything there: a name is created anew and never
/// followed.
final class OutputLog {
    private let directory: Int32
    private let name: String
    private let bytesMax: UInt64
    private let filesMax: UInt32
    private let owner: (user: UInt32, group: UInt32)?
    private var file: Int32 = -1
    private var size: UInt64 = 0
    private(set) var lostBytes: UInt64 = 0

    static let bytesMaxMin: UInt64 = 1024

    /// - Parameter directory: stays the caller's.
    init(
        directory: Int32, name: String, bytesMax: UInt64, filesMax: UInt32,
        owner: (user: UInt32, group: UInt32)?
    ) throws(AgentError) {
        self.directory = directory
        self.name = name
        self.bytesMax = max(bytesMax, Self.bytesMaxMin)
        self.filesMax = min(filesMax, 1000)
        self.owner = owner
        try openFile()
    }

    deinit { if file >= 0 { close(file) } }

    private func openFile() throws(AgentError) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_APPEND
        unlinkat(directory, name, 0)
        let opened = try SystemCall.check("create", name) {
            openat(directory, name, flags, 0o640)
        }
        if let owner { _ = fchown(opened, owner.user, owner.group) }
        if file >= 0 { close(file) }
        file = opened
        size = 0
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        var left = bytes[...]
        while !left.isEmpty {
            if size >= bytesMax, !rotate() {
                lostBytes += UInt64(left.count)
                return
            }
            let room = Int(min(bytesMax - size, UInt64(left.count)))
            let part = UnsafeRawBufferPointer(rebasing: left.prefix(room))
            let count = write(file, part.baseAddress, part.count)
            if count < 0 {
                if errno == EINTR { continue }
                lostBytes += UInt64(left.count)
                return
            }
            size += UInt64(count)
            left = left.dropFirst(count)
        }
    }

    /// False: there is no new file, and the full one stays.
    private func rotate() -> Bool {
        if filesMax > 0 {
            for number in stride(from: filesMax, through: 1, by: -1) {
                let from = number == 1 ? name : "\(name).\(number - 1)"
                renameat(directory, from, directory, "\(name).\(number)")
            }
        }
        do {
            try openFile()
            return true
        } catch {
            return false
        }
    }
}
