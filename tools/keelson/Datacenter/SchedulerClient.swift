internal import API
internal import KeelsonClient
internal import Primitives
internal import StateMachine
internal import SwiftProtobuf

/// A scheduler's end of Mesos' scheduler API, with the master that the records name.
struct SchedulerClient {
    let timeout: Duration
    let place: HTTPPlace
    private(set) var streamID = ""
    var framework = MesosFrameworkID()

    /// - Parameter framework: empty: a new one.
    init(
        _ cluster: Cluster, timeout: Duration, framework: MesosFrameworkID = MesosFrameworkID()
    ) async throws {
        self.timeout = timeout
        self.framework = framework
        place = try await HTTPPlace.master(of: cluster)
    }

    /// - Throws: where this server does not lead (any more), or cannot be reached.
    mutating func subscribe(
        _ info: MesosFrameworkInfo
    ) async throws -> AsyncThrowingStream<MesosSchedulerEvent, any Error> {
        var call = MesosSchedulerCall()
        call.type = .subscribe
        call.subscribe.frameworkInfo = info
        if framework.hasValue {
            call.frameworkID = framework
            call.subscribe.frameworkInfo.id = framework
        }
        var request = request(call)
        request.headers.append(("Accept", "application/x-protobuf"))
        let (answer, pieces) = try await request.open(place, timeout: timeout)
        guard answer.status == 200 else {
            let answer = await HTTPCall.gathered(answer, pieces)
            if let refusal = answer.refusal(by: place) { throw refusal }
            throw Failure(.unavailable, "\(place) does not take the subscription: \(answer.text)")
        }
        streamID = answer.headers["mesos-stream-id"] ?? ""
        return Self.events(pieces)
    }

    private static func events(
        _ pieces: HTTPCall.Pieces
    ) -> AsyncThrowingStream<MesosSchedulerEvent, any Error> {
        let (events, source) = AsyncThrowingStream<MesosSchedulerEvent, any Error>.makeStream()
        let reading = Task {
            var decoder = RecordIO.Decoder()
            do {
                for try await piece in pieces {
                    var records: [[UInt8]] = []
                    try decoder.decode(piece, into: &records)
                    for record in records {
                        source.yield(
                            try MesosMessage.decode(
                                MesosSchedulerEvent.self, from: record, as: .protobuf))
                    }
                }
                source.finish()
            } catch {
                source.finish(throwing: error)
            }
        }
        source.onTermination = { _ in reading.cancel() }
        return events
    }

    func send(_ type: MesosSchedulerCall.TypeEnum, _ fill: (inout MesosSchedulerCall) -> Void)
        async throws
    {
        var call = MesosSchedulerCall()
        call.type = type
        call.frameworkID = framework
        fill(&call)
        var request = request(call)
        request.headers.append(("Mesos-Stream-Id", streamID))
        let answer = try await request.send(to: place, timeout: timeout)
        guard answer.status == 202 || answer.status == 200 else {
            if let refusal = answer.refusal(by: place) { throw refusal }
            throw Failure(.unavailable, "\(place) answers \(answer.text)")
        }
    }

    private func request(_ call: MesosSchedulerCall) -> HTTPCall {
        var request = HTTPCall("POST", "/api/v1/scheduler")
        request.headers = [("Content-Type", "application/x-protobuf")]
        request.body = MesosMessage.encode(call, as: .protobuf)
        return request
    }
}

extension HTTPPlace {
    /// Where the master serves that the records name.
    static func master(of cluster: Cluster) async throws -> HTTPPlace {
        let pair = try await cluster.get(.key(RecordKeys.master.storage)).keyValues.first
        let master = pair.flatMap { $0.value.withUnsafeBytes { MasterRecord($0) } }
        guard let url = master?.url, let place = HTTPPlace(url: url) else {
            throw Failure(
                .unavailable, "the leader serves no HTTP",
                advice: "start the servers with --listen-http-urls")
        }
        return place.asking(as: cluster.options.credentials, over: cluster.options.tls)
    }
}
