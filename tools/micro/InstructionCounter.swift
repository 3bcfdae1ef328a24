internal import CPerfEvent
internal import Glibc

/// Why instructions cannot be counted.
struct InstructionCounterError: Error, CustomStringConvertible {
    let description: String

    init(errno number: Int32) {
        let reason = String(cString: strerror(number))
        let cause: String
        switch number {
        case EACCES, EPERM:
            cause =
                "the kernel allows it to nobody but root, or to nobody here: see"
                + " /proc/sys/kernel/perf_event_paranoid, and the container's limits"
        case ENOENT, ENODEV, EOPNOTSUPP:
            cause = "this processor, or the virtual machine, has no counter of instructions"
        default: cause = "perf_event_open failed"
        }
        description =
            "instructions cannot be counted: \(cause) (\(reason))."
            + " `scripts/micro.sh NAME` counts them with callgrind instead"
    }
}

/// Counts the instructions that the thread which made it runs in user mode.
final class InstructionCounter: Sendable {
    private let descriptor: Int32

    init() throws {
        descriptor = keelson_open_instruction_counter()
        guard descriptor >= 0 else { throw InstructionCounterError(errno: errno) }
    }

    deinit { _ = Glibc.close(descriptor) }

    /// Since it was made.
    var count: UInt64 {
        var value: UInt64 = 0
        let size = MemoryLayout<UInt64>.size
        return Glibc.read(descriptor, &value, size) == size ? value : 0
    }
}
