internal import Foundation
internal import KeelsonClient
internal import StateMachine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The files that an agent serves.
struct AgentFiles {
    private let id: String
    private let cluster: Cluster
    private let place: HTTPPlace
    private let timeout: Duration

    /// Nil where the agent says of no place that can be asked.
    /// - Parameter cluster: whose user looks, with the CAs and the certificate of its client.
    init?(_ agent: AgentRecord, of cluster: Cluster, timeout: Duration) {
        guard var place = HTTPPlace(url: agent.url) else { return nil }
        place.tls = cluster.options.tls
        id = "\(agent.id)"
        self.cluster = cluster
        self.place = place
        self.timeout = timeout
    }

    /// Bytes that one request asks for.
    private static let partBytes: UInt64 = 64 << 10

    /// Prints a file from a position on, as far as it goes now; answers with how far that is.
    func print(
        _ path: String, from start: UInt64, to descriptor: Int32 = STDOUT_FILENO
    ) async throws -> UInt64 {
        let size = try await size(path)
        var offset = size < start ? 0 : start
        while offset < size {
            let length = min(size - offset, Self.partBytes)
            let part = try await read(path, "\(offset)", length: length)
            guard Output.writeAll(Array(part.data.utf8), to: descriptor) else { return size }
            offset += length
        }
        return offset
    }

    /// How far it goes now.
    func size(_ path: String) async throws -> UInt64 {
        try await read(path, "-1", length: 0).offset
    }

    private struct Part: Decodable {
        var offset: UInt64
        var data: String
    }

    private func read(_ path: String, _ offset: String, length: UInt64) async throws -> Part {
        var allowed = CharacterSet.urlQueryAllowed
        allowed.remove(charactersIn: "&+=")
        let name = path.addingPercentEncoding(withAllowedCharacters: allowed) ?? path
        var place = place
        place.authorization = try await cluster.authorization(forAgent: id, timeout: timeout)
        let answer = try await HTTPCall(
            "GET", "/files/read?path=\(name)&offset=\(offset)&length=\(length)"
        ).send(to: place, timeout: timeout)
        if let refusal = answer.refusal(by: place) { throw refusal }
        guard answer.status == 200 else {
            throw Failure(.failed, "the agent at \(place) answers \(answer.text)")
        }
        do {
            return try JSONDecoder().decode(Part.self, from: Data(answer.body))
        } catch {
            throw Failure(.failed, "the agent at \(place) does not answer as an agent does")
        }
    }
}
