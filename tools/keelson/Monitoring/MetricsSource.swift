internal import KeelsonClient
internal import Monitoring
internal import RPC

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A page of metrics, and when it was read.
struct MetricsSample: Sendable {
    let page: MetricsReading
    /// Of the monotonic clock.
    let at: ContinuousClock.Instant
    /// How long asking took.
    let took: Duration
    /// This machine's time of day in the middle of that, in seconds since 1970.
    let wallSeconds: Double

    /// What the server's clock is ahead of this machine's, in seconds; off by half of what asking
    /// took, at most. Nil where the server does not say.
    var clockOffset: Double? {
        page.value("keelson_wall_clock_seconds").map { $0 - wallSeconds }
    }
}

/// Where the metrics of one endpoint are.
struct MetricsSource: Sendable {
    let endpoint: Endpoint
    private let tls: TLSSettings?

    private static let pagePath = "/metrics"

    /// - Throws: where a file that TLS needs cannot be used.
    static func all(_ options: ClusterOptions) throws -> [MetricsSource] {
        let endpoints = try options.parsedEndpoints()
        let tls = options.tls.settings
        // What cannot be used is said once, and not of each endpoint.
        if endpoints.contains(where: \.usesTLS) { _ = try (tls ?? TLSSettings()).load() }
        return endpoints.map { MetricsSource(endpoint: $0, tls: tls) }
    }

    private init(endpoint: Endpoint, tls: TLSSettings?) {
        self.endpoint = endpoint
        self.tls = tls
    }

    func read(timeout: Duration) async throws -> MetricsSample {
        let call = HTTPCall("GET", Self.pagePath)
        let place = HTTPPlace(
            host: endpoint.host, port: endpoint.port, isSecure: endpoint.usesTLS, tls: tls)
        let began = ContinuousClock.now
        let wall = Self.wallSeconds()
        let answer = try await call.send(
            to: place, timeout: timeout)
        let ended = ContinuousClock.now
        guard answer.status == 200 else {
            throw Failure(.failed, "\(endpoint)\(Self.pagePath): \(answer.text)")
        }
        let page: MetricsReading
        do { page = try MetricsReading(answer.body) } catch {
            throw Failure(.failed, "the metrics of \(endpoint) cannot be read: \(error)")
        }
        let took = ended - began
        return MetricsSample(
            page: page, at: ended, took: took, wallSeconds: wall + took.milliseconds / 2000)
    }

    private static func wallSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Of all at the same time, in their order.
    static func read(
        _ sources: [MetricsSource], timeout: Duration
    ) async -> [Result<MetricsSample, any Error>] {
        await withTaskGroup(of: (Int, Result<MetricsSample, any Error>).self) { group in
            for (place, source) in sources.enumerated() {
                group.addTask {
                    do { return (place, .success(try await source.read(timeout: timeout))) } catch {
                        return (place, .failure(error))
                    }
                }
            }
            var all: [(Int, Result<MetricsSample, any Error>)] = []
            for await one in group { all.append(one) }
            return all.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
