import API
import KeelsonClient
import RPC
import SwiftProtobuf
import Testing

@Suite("Watches that survive (etcd's watch guarantees)", .timeLimit(.minutes(1)))
struct WatchTests {
    /// What a stream asks for.
    private static func create(_ message: [UInt8]) -> EtcdWatchCreateRequest? {
        (try? EtcdWatchRequest(serializedBytes: message))?.createRequest
    }

    private func revisions(_ watch: KeyWatch, count: Int) async throws -> [Int64] {
        var seen: [Int64] = []
        for try await update in watch {
            seen += update.events.map(\.keyValue.modRevision)
            if seen.count >= count { break }
        }
        return seen
    }

    @Test("a stream that breaks is opened again behind the last revision that was seen")
    func resumes() async throws {
        let server = StubServer(stream: [
            Wire.watch: { stream, message, number in
                guard let create = Self.create(message) else { return }
                let first = create.startRevision == 0 ? 11 : create.startRevision
                stream.call.send(Wire.created(revision: 10))
                stream.call.send(Wire.events([first, first + 1]))
                if number < 3 {
                    stream.call.finish(RPCStatus(.unavailable, "etcdserver: server stopped"))
                }
            }
        ])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        let watch = try await cluster.watch(.prefix("k"))
        #expect(watch.createdRevision == 10)
        #expect(try await revisions(watch, count: 6) == [11, 12, 13, 14, 15, 16])
        await cluster.shutdown()
        await server.stop()
    }

    @Test("a watch that saw nothing yet does not miss what happens while it is reconnected")
    func resumesBeforeTheFirstEvent() async throws {
        let server = StubServer(stream: [
            Wire.watch: { stream, message, number in
                guard let create = Self.create(message) else { return }
                stream.call.send(Wire.created(revision: number == 1 ? 20 : 25))
                if number == 1 {
                    stream.call.finish(RPCStatus(.unavailable, "gone"))
                } else {
                    stream.call.send(Wire.events([create.startRevision]))
                }
            }
        ])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        let watch = try await cluster.watch(.prefix("k"))
        #expect(try await revisions(watch, count: 1) == [21])
        await cluster.shutdown()
        await server.stop()
    }

    @Test("a watch goes on at another member when its own is gone")
    func resumesElsewhere() async throws {
        let serve: @Sendable (StubStream, [UInt8], Int) -> Void = { stream, message, _ in
            guard let create = Self.create(message) else { return }
            stream.call.send(Wire.created(revision: 10))
            stream.call.send(Wire.events([max(create.startRevision, 11)]))
        }
        let first = StubServer(stream: [Wire.watch: serve])
        let second = StubServer(stream: [Wire.watch: serve])
        try await first.start()
        try await second.start()
        let cluster = try Cluster(endpoints: [first.endpoint, second.endpoint])
        let watch = try await cluster.watch(.prefix("k"))
        #expect(try await revisions(watch, count: 1) == [11])
        await first.stop()
        #expect(try await revisions(watch, count: 1) == [12])
        #expect(try await second.callCount(Wire.watch) == 1)
        await cluster.shutdown()
        await second.stop()
    }

    @Test("a start revision that is compacted away ends the watch with an error that says so")
    func compacted() async throws {
        let server = StubServer(stream: [
            Wire.watch: { stream, _, _ in
                stream.call.send(Wire.created(revision: 50))
                var answer = EtcdWatchResponse()
                answer.canceled = true
                answer.compactRevision = 40
                stream.call.send(Wire.bytes(answer))
            }
        ])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        var options = WatchOptions()
        options.startRevision = 3
        let error = await #expect(throws: ClusterError.self) {
            let watch = try await cluster.watch(.prefix("k"), options)
            _ = try await revisions(watch, count: 1)
        }
        #expect(error?.code == .compacted)
        #expect(error?.message.contains("40") == true)
        await cluster.shutdown()
        await server.stop()
    }

    @Test(
        "a server that names a revision which no store has ends the watch, and not the process",
        arguments: [Wire.created(revision: .max), Wire.events([.max]), Wire.events([-1])])
    func impossibleRevision(answer: [UInt8]) async throws {
        let server = StubServer(stream: [
            Wire.watch: { stream, _, _ in
                if answer != Wire.created(revision: .max) {
                    stream.call.send(Wire.created(revision: 10))
                }
                stream.call.send(answer)
            }
        ])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        let error = await #expect(throws: ClusterError.self) {
            let watch = try await cluster.watch(.prefix("k"))
            _ = try await revisions(watch, count: 1)
        }
        #expect(error?.code == .malformedAnswer)
        await cluster.shutdown()
        await server.stop()
    }

    @Test("a refusal that will not pass ends the watch")
    func refused() async throws {
        let server = StubServer(stream: [
            Wire.watch: { stream, _, _ in
                stream.call.finish(RPCStatus(.unauthenticated, "etcdserver: invalid auth token"))
            }
        ])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        let error = await #expect(throws: ClusterError.self) {
            _ = try await cluster.watch(.all)
        }
        #expect(error?.code == .unauthenticated)
        await cluster.shutdown()
        await server.stop()
    }

    @Test("a watch that nobody creates fails by its deadline")
    func notCreated() async throws {
        let server = StubServer(stream: [Wire.watch: { _, _, _ in }])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        let error = await #expect(throws: ClusterError.self) {
            _ = try await cluster.watch(.all, timeout: .milliseconds(100))
        }
        #expect(error?.code == .unavailable)
        await cluster.shutdown()
        await server.stop()
    }

    @Test("a cancelled watch gives what it has received and then ends")
    func cancelled() async throws {
        let server = StubServer(stream: [
            Wire.watch: { stream, _, _ in
                stream.call.send(Wire.created(revision: 10))
                stream.call.send(Wire.events([11]))
            }
        ])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        let watch = try await cluster.watch(.all)
        #expect(try await revisions(watch, count: 1) == [11])
        watch.cancel()
        #expect(try await revisions(watch, count: 1) == [])
        await cluster.shutdown()
        await server.stop()
    }

    @Test("a reader that is slow gets everything, whatever was held back meanwhile")
    func slowReader() async throws {
        let batches = 120
        let server = StubServer(stream: [
            Wire.watch: { stream, _, _ in
                stream.call.send(Wire.created(revision: 10))
                for batch in 0..<Int64(batches) {
                    let first = 11 + batch * 1000
                    stream.call.send(Wire.events(Array(first..<(first + 1000))))
                }
            }
        ])
        try await server.start()
        let cluster = try Cluster(endpoints: [server.endpoint])
        let watch = try await cluster.watch(.all)
        let seen = try await revisions(watch, count: batches * 1000)
        #expect(seen.count == batches * 1000)
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $0 + 1 == $1 })
        await cluster.shutdown()
        await server.stop()
    }
}
