internal import Histogram
internal import RPC

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The processor time that this process has used.
struct ProcessUsage: Sendable {
    let seconds: Double

    /// RUSAGE_SELF, which one C library has as an enumeration and the other as a number.
    private static let itself: Int32 = 0

    static func now() -> ProcessUsage {
        var usage = rusage()
        getrusage(itself, &usage)
        return ProcessUsage(seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }

    static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }
}

/// Gathers what one measured phase saw.
struct BenchRecorder: Sendable {
    struct Failure: Hashable, Sendable {
        let code: RPCCode
        let message: String
    }

    /// Nanoseconds of each call that succeeded, three digits exact, from half a µs to an hour.
    private(set) var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 512, highestTrackableValue: 3_600_000_000_000,
        numberOfSignificantValueDigits: .three)
    private(set) var failures: [Failure: Int] = [:]
    private(set) var failureCount = 0
    private(set) var completedCount = 0
    /// Bytes of all answers, or events, that were counted with their size.
    private(set) var byteCount = 0
    /// What succeeded in each interval since the start; without those behind the last success.
    private(set) var countsPerInterval: [Int] = []
    private let intervalNanoseconds: UInt64?
    /// Nanoseconds in which nothing succeeded, at most.
    private(set) var longestGap: UInt64 = 0
    private(set) var start: UInt64
    private var lastSuccess: UInt64
    private let usageAtStart = ProcessUsage.now()
    /// Measured once, when the phase ends.
    private(set) var elapsedSeconds = 0.0
    private(set) var processorSeconds = 0.0

    /// Failures of more kinds than this are counted together.
    private static let failureKindsMax = 100

    init(now: UInt64, intervalNanoseconds: UInt64? = nil) {
        start = now
        lastSuccess = now
        self.intervalNanoseconds = intervalNanoseconds
    }

    mutating func succeeded(now: UInt64, latency: UInt64, byteCount: Int = 0) {
        completedCount += 1
        self.byteCount += byteCount
        if let intervalNanoseconds { count(now: now, intervalNanoseconds) }
        _ = histogram.record(min(latency, 3_600_000_000_000))
        let gap = now &- lastSuccess
        if gap > longestGap { longestGap = gap }
        lastSuccess = now
    }

    private mutating func count(now: UInt64, _ interval: UInt64) {
        let place = Int((now &- start) / interval)
        if place >= countsPerInterval.count {
            let missing = place + 1 - countsPerInterval.count
            countsPerInterval.append(contentsOf: repeatElement(0, count: missing))
        }
        countsPerInterval[place] += 1
    }

    mutating func failed(_ code: RPCCode, _ message: String, count: Int = 1) {
        failureCount += count
        let isKnownKind = failures.count < BenchRecorder.failureKindsMax
        failures[
            Failure(code: code, message: isKnownKind ? message : "others"), default: 0] += count
    }

    mutating func end(now: UInt64) {
        let gap = now &- lastSuccess
        if completedCount > 0, gap > longestGap { longestGap = gap }
        elapsedSeconds = Double(now &- start) / 1e9
        processorSeconds = ProcessUsage.now().seconds - usageAtStart.seconds
    }
}
