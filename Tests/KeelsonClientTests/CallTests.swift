import API
import KeelsonClient
import RPC
import SwiftProtobuf
import Testing

@Suite("Calls and their retries (DESIGN §6, etcd's retry rules)", .timeLimit(.minutes(1)))
struct CallTests {
    private static let unavailable = RPCStatus(.unavailable, "etcdserver: leader changed")

    private func with<Answer>(
        _ servers: [StubServer], extra: [String] = [], timeout: Duration = .seconds(5),
        _ body: (Cluster) async throws -> Answer
    ) async throws -> Answer {
        for server in servers { try await server.start() }
        var options = Cluster.Options()
        options.timeout = timeout
        let cluster = try Cluster(
            endpoints: extra + servers.map(\.endpoint), options: options)
        let result: Result<Answer, any Error>
        do { result = .success(try await body(cluster)) } catch { result = .failure(error) }
        await cluster.shutdown()
        for server in servers { await server.stop() }
        return try result.get()
    }

    @Test("a put carries key, value and options, and its header comes back")
    func putArrives() async throws {
        let server = StubServer(unary: [
            Wire.put: { message, _ in
                guard let request = try? EtcdPutRequest(serializedBytes: message),
                    Array(request.key) == Array("k".utf8), Array(request.value) == Array("v".utf8),
                    request.lease == 9, request.prevKv
                else { return .failure(RPCStatus(.invalidArgument, "not what was put")) }
                return .success(Wire.putAnswer(revision: 42))
            }
        ])
        let header = try await with([server]) { cluster in
            var options = PutOptions()
            options.lease = 9
            options.returnsPrevious = true
            return try await cluster.put("k", "v", options).header
        }
        #expect(header == AnswerHeader(clusterID: 7, memberID: 8, revision: 42, raftTerm: 3))
    }

    @Test("a read that one member cannot serve is asked of the next")
    func readIsAskedElsewhere() async throws {
        let down = StubServer(unary: [Wire.range: { _, _ in .failure(Self.unavailable) }])
        let up = StubServer(unary: [
            Wire.range: { _, _ in .success(Wire.rangeAnswer([("a", "1")])) }
        ])
        let pair = try await with([down, up]) { try await $0.get("a") }
        #expect(pair?.value == Array("1".utf8))
    }

    @Test("a write that a member may have carried out is not sent again, and says so")
    func writeIsSentOnce() async throws {
        let down = StubServer(unary: [Wire.put: { _, _ in .failure(Self.unavailable) }])
        let up = StubServer(unary: [Wire.put: { _, _ in .success(Wire.putAnswer()) }])
        try await with([down, up]) { cluster in
            let error = await #expect(throws: ClusterError.self) {
                try await cluster.put("a", "1")
            }
            #expect(error?.code == .outcomeUnknown)
            #expect(error?.outcomeIsUnknown == true)
            #expect(error?.grpcStatus == 14)
            let counts = (try await down.callCount(Wire.put), try await up.callCount(Wire.put))
            #expect(counts == (1, 0))
        }
    }

    @Test("a refusal that is given before anything is proposed leaves no doubt")
    func definiteRefusal() async throws {
        let server = StubServer(unary: [
            Wire.put: { _, _ in .failure(RPCStatus(.unavailable, "etcdserver: no leader")) }
        ])
        let error = await #expect(throws: ClusterError.self) {
            try await with([server]) { try await $0.put("a", "1") }
        }
        #expect(error?.code == .unavailable)
    }

    @Test("a write goes to the next endpoint when the first refuses the connection")
    func writeAfterRefusedConnection() async throws {
        let up = StubServer(unary: [Wire.put: { _, _ in .success(Wire.putAnswer()) }])
        let revision = try await with([up], extra: ["http://127.0.0.1:1"]) {
            try await $0.put("a", "1").header.revision
        }
        #expect(revision == 5)
    }

    @Test("without a server a call fails by its deadline, naming every endpoint")
    func nobodyThere() async throws {
        let error = await #expect(throws: ClusterError.self) {
            try await with(
                [], extra: ["http://127.0.0.1:1", "http://127.0.0.1:2"],
                timeout: .milliseconds(100)
            ) { try await $0.put("a", "1") }
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("http://127.0.0.1:1") == true)
        #expect(error?.message.contains("http://127.0.0.1:2") == true)
    }

    @Test("a write without an answer is unknown at its deadline, a read is merely late")
    func silentServer() async throws {
        let silent = StubServer(unary: [
            Wire.put: { _, _ in nil }, Wire.range: { _, _ in nil },
        ])
        try await with([silent], timeout: .milliseconds(100)) { cluster in
            let write = await #expect(throws: ClusterError.self) {
                try await cluster.put("a", "1")
            }
            #expect(write?.code == .outcomeUnknown)
            let read = await #expect(throws: ClusterError.self) { try await cluster.get("a") }
            #expect(read?.code == .deadlineExceeded)
        }
    }

    @Test(
        "each refusal has the code that its status stands for",
        arguments: [
            (
                RPCStatus(.outOfRange, "etcdserver: mvcc: required revision has been compacted"),
                ClusterError.Code.compacted
            ),
            (
                RPCStatus(.outOfRange, "etcdserver: mvcc: required revision is a future revision"),
                .outOfRange
            ),
            (RPCStatus(.invalidArgument, "etcdserver: key is not provided"), .invalidArgument),
            (RPCStatus(.notFound, "etcdserver: requested lease not found"), .notFound),
            (
                RPCStatus(.resourceExhausted, "etcdserver: mvcc: database space exceeded"),
                .resourceExhausted
            ),
            (RPCStatus(.permissionDenied, "etcdserver: permission denied"), .permissionDenied),
            (RPCStatus(.unknown, "etcdserver: too many requests"), .server),
        ])
    func refusals(status: RPCStatus, code: ClusterError.Code) async throws {
        let server = StubServer(unary: [
            Wire.range: { _, _ in .failure(status) }, Wire.put: { _, _ in .failure(status) },
        ])
        try await with([server]) { cluster in
            let read = await #expect(throws: ClusterError.self) { try await cluster.get("a") }
            #expect(read?.code == code)
            #expect(read?.message == status.message)
            let write = await #expect(throws: ClusterError.self) {
                try await cluster.put("a", "1")
            }
            #expect(write?.code == code)
        }
    }

    @Test("bytes that are no answer are an error of their own")
    func malformedAnswer() async throws {
        let server = StubServer(unary: [Wire.range: { _, _ in .success([0xFF, 0xFF]) }])
        let error = await #expect(throws: ClusterError.self) {
            try await with([server]) { try await $0.get("a") }
        }
        #expect(error?.code == .malformedAnswer)
    }

    @Test("a cancelled task does not wait for its deadline")
    func cancellation() async throws {
        let silent = StubServer(unary: [Wire.range: { _, _ in nil }])
        let error = await #expect(throws: ClusterError.self) {
            try await with([silent], timeout: .seconds(3600)) { cluster in
                let task = Task { try await cluster.get("a") }
                while try await silent.callCount(Wire.range) == 0 { await Task.yield() }
                task.cancel()
                _ = try await task.value
            }
        }
        #expect(error?.code == .cancelled)
    }

    @Test("a client that is shut down fails what waits and what comes, and does so at once")
    func shutdown() async throws {
        let silent = StubServer(unary: [Wire.range: { _, _ in nil }])
        try await silent.start()
        var options = Cluster.Options()
        options.timeout = .seconds(3600)
        let connected = try Cluster(endpoints: [silent.endpoint], options: options)
        let searching = try Cluster(endpoints: ["http://127.0.0.1:1"], options: options)
        let tasks = [connected, searching].map { cluster in
            Task { () -> ClusterError? in
                do { _ = try await cluster.get("a") } catch { return error as? ClusterError }
                return nil
            }
        }
        while try await silent.callCount(Wire.range) == 0 { await Task.yield() }
        for cluster in [connected, searching] {
            await cluster.shutdown()
            let late = await #expect(throws: ClusterError.self) { try await cluster.get("a") }
            #expect(late?.code == .closed)
            await cluster.shutdown()
        }
        for task in tasks { #expect(await task.value?.code == .closed) }
        await silent.stop()
    }

    @Test("a lease that is gone cannot be renewed")
    func renewal() async throws {
        let server = StubServer(stream: [
            Wire.keepAlive: { stream, message, _ in
                let request = try? EtcdLeaseKeepAliveRequest(serializedBytes: message)
                var answer = EtcdLeaseKeepAliveResponse()
                answer.header = Wire.header(5)
                answer.id = request?.id ?? 0
                answer.ttl = answer.id == 1 ? 60 : answer.id == 3 ? .max : 0
                stream.call.send(Wire.bytes(answer))
            }
        ])
        try await with([server]) { cluster in
            let renewal = try await cluster.renewLease(1)
            #expect(renewal.timeToLiveSeconds == 60)
            let error = await #expect(throws: ClusterError.self) {
                try await cluster.renewLease(2)
            }
            #expect(error?.code == .notFound)
            // No more than leases may have, so that no clock of the caller's overflows.
            #expect(try await cluster.renewLease(3).timeToLiveSeconds == 9_000_000_000)
        }
    }
}
