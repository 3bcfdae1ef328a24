internal import KeelsonClient
internal import NIOCore
internal import NIOEmbedded
internal import Primitives
internal import RPC

extension FuzzTarget {
    private typealias Ask = @Sendable (Cluster) async throws -> Void

    /// One call of each shape that a client's answers have.
    private static let asks: [Ask] = [
        { _ = try await $0.get(.prefix("k")) },
        { _ = try await $0.put("k", "v") },
        { _ = try await $0.delete(.key("k")) },
        { _ = try await $0.commit(Transaction()) },
        { try await $0.compact(to: 3) },
        { _ = try await $0.status() },
        { _ = try await $0.hash() },
        { _ = try await $0.alarms() },
        { _ = try await $0.members() },
        { _ = try await $0.addMember(peerURLs: ["http://a:2380"]) },
        { _ = try await $0.grantLease(timeToLiveSeconds: 60) },
        { _ = try await $0.leaseState(1, keys: true) },
        { _ = try await $0.leases() },
        { _ = try await $0.renewLease(1) },
        { _ = try await $0.lock("l", lease: 1) },
        { _ = try await $0.campaign("e", value: "v", lease: 1) },
        { _ = try await $0.authState() },
        { _ = try await $0.users() },
        { _ = try await $0.permissions(of: "r") },
        { try await $0.snapshot { _ in } },
        { for try await _ in try await $0.watch(.prefix("k")) {} },
    ]

    /// What a server answers to one call of a client. The first byte names the call and, by its
    /// highest bit, says that the client logs in. Then pieces, each behind a byte: an odd one says
    /// that the stream ends after the piece, with a status that the other bits name.
    static let clientAnswers = FuzzTarget("client-answers") { bytes in
        var input = FuzzInput(bytes)
        let first = input.byte()
        let ask = asks[Int(first & 127) % asks.count]
        let channel = EmbeddedChannel()
        guard let client = try? RPCClient.over(channel) else { return }
        activate(channel)
        feed(channel, HTTP2Frames.settings, pieceBytes: .max)
        var options = Cluster.Options()
        if first > 127 { options.credentials = Credentials(user: "u", password: "p") }
        let cluster = Cluster(over: client, options: options)
        let tasks = OneThread(channel)
        let asking = tasks.start { _ = try? await ask(cluster) }
        answer(channel, tasks, &input)
        asking.cancel()
        tasks.run()
        invariant(tasks.runningCount == 0, "a call that was cancelled has ended")
        _ = tasks.start { await cluster.shutdown() }
        tasks.run()
        invariant(tasks.runningCount == 0, "a client that was shut down has ended")
        _ = try? channel.finish(acceptAlreadyClosed: true)
    } seeds: {
        let header = field(1, [0x08, 7, 0x10, 8, 0x18, 9, 0x20, 3])
        let found = pair(1, "k") + [0x10, 2, 0x18, 9, 0x20, 1] + pair(5, "v")
        let answer = header + field(2, found)
        let created = header + [0x10, 1, 0x18, 1]
        let events = header + [0x10, 1] + field(11, field(2, found))
        var seeds: [[UInt8]] = asks.indices.map { [UInt8($0), 1] + answer.asPiece }
        var watch: [UInt8] = [UInt8(asks.count - 1), 0] + created.asPiece
        watch += [0] + events.asPiece
        seeds.append(watch + [1] + answer.asPiece)
        let login: [UInt8] = [128, 1] + pair(2, "token").asPiece
        seeds.append(login + [1] + answer.asPiece)
        return seeds
    }

    private static func answer(
        _ channel: EmbeddedChannel, _ tasks: OneThread, _ input: inout FuzzInput
    ) {
        let head = [(":status", "200"), ("content-type", "application/grpc")]
        var stream: UInt32 = 1
        var hasHead = false
        tasks.run()
        while !input.isEmpty, tasks.runningCount > 0, stream < 32 {
            let control = input.byte()
            var frames = hasHead ? [] : HTTP2Frames.headers(stream, head)
            frames += HTTP2Frames.data(
                stream, HTTP2Frames.message(input.piece()), endsStream: false)
            hasHead = control & 1 == 0
            if !hasHead {
                let status = [("grpc-status", "\(control >> 1 % 17)"), ("grpc-message", "a")]
                frames += HTTP2Frames.headers(stream, status, endsStream: true)
                stream += 2
            }
            feed(channel, frames, pieceBytes: .max)
            tasks.run()
            // Whoever asks again waits a while before.
            if !hasHead { channel.embeddedEventLoop.advanceTime(by: .milliseconds(500)) }
            tasks.run()
        }
    }
}

/// Runs tasks and an embedded event loop on the thread that calls ``run()``, until nothing is left
/// to do. All of it happens on that thread, hence `@unchecked Sendable`.
private final class OneThread: TaskExecutor, @unchecked Sendable {
    private let channel: EmbeddedChannel
    private var jobs: [UnownedJob] = []
    private(set) var runningCount = 0

    init(_ channel: EmbeddedChannel) { self.channel = channel }

    func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }

    func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        runningCount += 1
        return Task(executorPreference: self) {
            await body()
            self.runningCount -= 1
        }
    }

    func run() {
        repeat {
            while !jobs.isEmpty {
                jobs.removeFirst().runSynchronously(on: asUnownedTaskExecutor())
            }
            channel.embeddedEventLoop.run()
            while (try? channel.readOutbound(as: ByteBuffer.self)) ?? nil != nil {}
        } while !jobs.isEmpty
    }
}
