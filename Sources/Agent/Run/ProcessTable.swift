internal import Glibc

/// A process as `/proc/PID/stat` shows it.
package struct ProcessStat: Equatable, Sendable {
    package var pid: Int32
    /// `R`, `S`, `D`, `Z` and so on.
    package var state: UInt8
    package var parent: Int32
    package var group: Int32
    package var session: Int32
    /// Clock ticks from the machine's start to the process's: with the pid it names one process.
    package var startTicks: UInt64

    package var isZombie: Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

    /// Nil for anything that is no such line. The name stands in parentheses and may hold any
    /// bytes, parentheses among them: fields are counted from the last one.
    package init?(_ line: [UInt8]) {
        guard let open = line.firstIndex(of: UInt8(ascii: "(")),
            let close = line.lastIndex(of: UInt8(ascii: ")")), open < close,
            let pid = Self.number(line[..<open], Int32.self)
        else { return nil }
        let fields = line[(close + 1)...].split(whereSeparator: { $0 == 0x20 || $0 == 0x0A })
        guard fields.count >= 20, let state = fields[0].first, fields[0].count == 1,
            let parent = Self.number(fields[1], Int32.self),
            let group = Self.number(fields[2], Int32.self),
            let session = Self.number(fields[3], Int32.self),
            let startTicks = Self.number(fields[19], UInt64.self)
        else { return nil }
        self.pid = pid
        self.state = state
        self.parent = parent
        self.group = group
        self.session = session
        self.startTicks = startTicks
    }

    private static func number<T: FixedWidthInteger>(_ digits: ArraySlice<UInt8>, _: T.Type) -> T? {
        T(String(decoding: digits, as: UTF8.self).trimmingSpace)
    }
}

extension String {
    fileprivate var trimmingSpace: String { String(split(separator: " ").first ?? "") }
}

/// The machine's processes.
enum ProcessTable {
    static func stat(of pid: Int32) -> ProcessStat? {
        guard let bytes = try? SystemCall.readFile("/proc/\(pid)/stat", limit: 8 << 10) else {
            return nil
        }
        return ProcessStat(bytes)
    }

    /// Every process, by pid. Those that come or go meanwhile may be missing.
    static func all() -> [ProcessStat] {
        let names = (try? SystemCall.names(in: "/proc")) ?? []
        return names.compactMap { Int32($0) }.sorted().compactMap(stat(of:))
    }

    /// The processes below `root` by parentage, itself excluded, in order of pid.
    static func descendants(of root: Int32, in all: [ProcessStat]) -> [ProcessStat] {
        var known: Set<Int32> = [root]
        var found: [ProcessStat] = []
        var hasGrown = true
        while hasGrown {
            hasGrown = false
            for process in all where known.contains(process.parent) {
                if known.insert(process.pid).inserted {
                    found.append(process)
                    hasGrown = true
                }
            }
        }
        return found.sorted { $0.pid < $1.pid }
    }

    /// The processes that were started with `NAME=value` in their environment.
    static func marked(_ mark: String) -> [ProcessStat] {
        let wanted = Array(mark.utf8)
        return all().filter { process in
            let path = "/proc/\(process.pid)/environ"
            guard !process.isZombie,
                let bytes = try? SystemCall.readFile(path, limit: 4 << 20)
            else { return false }
            return bytes.split(separator: 0).contains { $0.elementsEqual(wanted) }
        }
    }

    /// Signals a process unless its pid has gone to another one meanwhile.
    static func signal(_ process: ProcessStat, _ number: Int32) {
        guard process.pid > 1, stat(of: process.pid)?.startTicks == process.startTicks else {
            return
        }
        kill(process.pid, number)
    }

    /// Changes with each start of the machine: pids of another boot mean nothing.
    static var bootID: String {
        let path = "/proc/sys/kernel/random/boot_id"
        let bytes = (try? SystemCall.readFile(path, limit: 256)) ?? []
        return String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self)
    }
}
