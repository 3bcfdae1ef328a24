internal import Foundation
internal import Monitoring
internal import NIOCore
internal import NIOPosix

/// What the kernel says of this process and of the data directory's file system; zeros where it
/// says nothing. Source: proc(5). Not for an event loop: a disk may take its time.
struct MachineFigures: Sendable {
    private var residentBytes = 0
    private var virtualBytes = 0
    private var cpuSeconds = 0.0
    /// Since 1970.
    private var startSeconds = 0.0
    private var openFiles = 0
    private var filesMax = 0.0
    private var disk: DiskFigures?
    /// Nil where there is no data directory.
    private(set) var logBytes: UInt64?

    init() {}

    static func read(dataDirectory: String?) -> MachineFigures {
        var figures = MachineFigures()
        figures.readProcess()
        let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        figures.openFiles = files?.count ?? 0
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            figures.filesMax = Double(limit.rlim_cur)
        }
        if let dataDirectory {
            figures.disk = DiskFigures(dataDirectory)
            figures.logBytes = DiskFigures.bytes(below: dataDirectory + "/log")
        }
        return figures
    }

    private mutating func readProcess() {
        if let memory = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) {
            let pages = memory.split(separator: " ").prefix(2).compactMap { Int($0) }
            if pages.count == 2 {
                virtualBytes = pages[0] &* Self.pageBytes
                residentBytes = pages[1] &* Self.pageBytes
            }
        }
        guard let line = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let end = line.lastIndex(of: ")")
        else { return }
        let fields = line[line.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let user = Double(fields[11]), let system = Double(fields[12]),
            let started = Double(fields[19])
        else { return }
        cpuSeconds = (user + system) / Self.ticksPerSecond
        startSeconds = Self.bootSeconds + started / Self.ticksPerSecond
    }

    private static let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
    private static let ticksPerSecond = max(1, Double(sysconf(Int32(_SC_CLK_TCK))))

    private static let bootSeconds: Double = {
        let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) } ?? 0
    }()

    func write(into text: inout MetricsText) {
        text.gauge(
            "process_resident_memory_bytes", "Resident memory in bytes.", Double(residentBytes))
        text.gauge(
            "process_virtual_memory_bytes", "Virtual memory in bytes.", Double(virtualBytes))
        text.family(
            "process_cpu_seconds_total", "Seconds of CPU spent.", .counter,
            [([], .real(cpuSeconds))])
        text.gauge(
            "process_start_time_seconds", "When the process began, since 1970.", startSeconds)
        text.gauge("process_open_fds", "Open file descriptors.", Double(openFiles))
        text.gauge("process_max_fds", "The most file descriptors that may be open.", filesMax)
        text.gauge("os_fd_used", "Open file descriptors.", Double(openFiles))
        text.gauge("os_fd_limit", "The most file descriptors that may be open.", filesMax)
        text.gauge(
            "keelson_disk_total_bytes", "Size of the data directory's file system.",
            Double(disk?.totalBytes ?? 0))
        text.gauge(
            "keelson_disk_free_bytes", "What of it this process may still use.",
            Double(disk?.freeBytes ?? 0))
    }
}

/// Reads ``MachineFigures`` on a thread, one reading at a time: whoever asks meanwhile waits for
/// the same, and a disk that does not answer holds up one thread and nobody.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
final class MachineGauge: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private let dataDirectory: String?
    private var last = MachineFigures()
    private var isReading = false
    private var waiting: [(MachineFigures) -> Void] = []
    private var timeout: Scheduled<Void>?

    /// For so long a new reading is waited for; then the last one does.
    static let patience: TimeAmount = .seconds(1)
    private static let waitingMax = 64

    init(eventLoop: any EventLoop, dataDirectory: String?) {
        self.eventLoop = eventLoop
        self.dataDirectory = dataDirectory
    }

    /// Calls back on the event loop, now or later.
    func read(_ done: @escaping (MachineFigures) -> Void) {
        guard waiting.count < Self.waitingMax else { return done(last) }
        waiting.append(done)
        if waiting.count == 1 {
            timeout = eventLoop.scheduleTask(in: Self.patience) { self.answer() }
        }
        guard !isReading else { return }
        isReading = true
        let (loop, directory) = (eventLoop, dataDirectory)
        NIOThreadPool.singleton.submit { state in
            guard case .active = state else { return }
            let figures = MachineFigures.read(dataDirectory: directory)
            loop.execute {
                self.isReading = false
                self.last = figures
                self.answer()
            }
        }
    }

    private func answer() {
        timeout?.cancel()
        let all = waiting
        waiting = []
        for done in all { done(last) }
    }
}
