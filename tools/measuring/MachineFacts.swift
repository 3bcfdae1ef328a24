internal import Foundation
internal import Glibc
package import Storage

/// What figures depend on, to stand beside them.
package struct MachineFacts: Encodable, Sendable {
    package var processor: String
    package var cores: Int
    package var memoryBytes: Int
    package var kernel: String
    package var allocator: String
    /// How long the disk takes for one `fdatasync` of 4 KiB, in microseconds, the median.
    package var syncMicroseconds: Double

    private enum CodingKeys: String, CodingKey {
        case processor, cores, kernel, allocator
        case memoryBytes = "memory_bytes"
        case syncMicroseconds = "sync_us"
    }

    /// - Parameter folder: on the disk that is meant.
    package init(folder: String) throws(StorageError) {
        let cpu = Self.lines("/proc/cpuinfo").first { $0.hasPrefix("model name") }
        processor = cpu.flatMap { $0.split(separator: ":").last }.map(Self.trimmed) ?? "unknown"
        cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        memoryBytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        kernel = Self.lines("/proc/sys/kernel/osrelease").first.map(Self.trimmed) ?? "unknown"
        allocator = Allocator.version
        syncMicroseconds = try Self.syncMicroseconds(in: folder)
    }

    /// One line for people.
    package var text: String {
        let gibibytes = Figures.fixed(Double(memoryBytes) / Double(1 << 30), 0)
        return "\(processor), \(cores) cores, \(gibibytes) GiB; Linux \(kernel); \(allocator);"
            + " fdatasync \(Figures.fixed(syncMicroseconds, 0)) µs"
    }

    private static func lines(_ path: String) -> [String] {
        // Files without a size, which some ways of reading take for empty.
        guard let handle = FileHandle(forReadingAtPath: path) else { return [] }
        let contents = (try? handle.readToEnd()) ?? Data()
        return String(decoding: contents, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        text.trimmingCharacters(in: .whitespaces)
    }

    private static let probeCount = 200
    private static let probeBytes = 4096

    private static func syncMicroseconds(in folder: String) throws(StorageError) -> Double {
        let files = PosixFileSystem()
        let path = folder + "/probe"
        let file = try files.open(path, .createNew)
        try file.fillWithZeros(to: probeCount * probeBytes)
        try file.sync()
        let block = [UInt8](repeating: 1, count: probeBytes)
        var times: [Double] = []
        for number in 0..<probeCount {
            try file.write(block, at: number * probeBytes)
            let start = monotonicNanoseconds()
            try file.sync()
            times.append(Double(monotonicNanoseconds() - start) / 1000)
        }
        try files.remove(path)
        return Figures.median(times)
    }
}
