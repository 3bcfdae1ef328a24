internal import ArgumentParser
internal import KeelsonClient

/// Whether the endpoints are asked, or every member that they know of.
struct WhomToAsk: ParsableArguments {
    @Flag(
        name: .customLong("cluster"),
        help: """
            Ask every member, at the first client URL that it advertises; --endpoints then only \
            say where to find them.
            """)
    var wholeCluster = false
}

/// What one of several endpoints answered.
struct EndpointAnswer<Answer: Sendable>: Sendable {
    let endpoint: Endpoint
    let answer: Result<Answer, ClusterError>
}

extension ClusterOptions {
    /// Asks all of them at the same time, each through a client of its own; in their order.
    func each<Answer: Sendable>(
        _ whom: WhomToAsk? = nil, _ body: @escaping @Sendable (Cluster) async throws -> Answer
    ) async throws -> [EndpointAnswer<Answer>] {
        let asksMembers = whom?.wholeCluster ?? false
        let endpoints = asksMembers ? try await members() : try parsedEndpoints()
        let clients = try endpoints.map { try makeCluster(endpoints: ["\($0)"]) }
        return await withTaskGroup(of: (Int, Result<Answer, ClusterError>).self) { group in
            for (index, client) in clients.enumerated() {
                group.addTask {
                    let result: Result<Answer, ClusterError>
                    do { result = .success(try await body(client)) } catch {
                        result = .failure(
                            error as? ClusterError ?? ClusterError(.server, "\(error)"))
                    }
                    await client.shutdown()
                    return (index, result)
                }
            }
            var answers: [(Int, Result<Answer, ClusterError>)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }.map {
                EndpointAnswer(endpoint: endpoints[$0.0], answer: $0.1)
            }
        }
    }

    /// The first client URL of every member. One that has never started advertises none.
    private func members() async throws -> [Endpoint] {
        let list = try await withCluster { try await $0.members() }
        let usesTLS = tls.settings != nil
        return try list.members.compactMap(\.clientURLs.first).map {
            try Endpoint($0, usingTLS: usesTLS)
        }
    }
}

extension Array {
    /// Ends the command in the way that the worst answer demands.
    func throwIfAnyFailed<Answer>() throws where Element == EndpointAnswer<Answer> {
        let failures = compactMap { element -> (Endpoint, ClusterError)? in
            if case .failure(let error) = element.answer { return (element.endpoint, error) }
            return nil
        }
        guard let first = failures.first else { return }
        let status: Failure.Status = failures.count == count ? Failure(first.1).status : .failed
        let text = failures.map { "\($0.0) failed: \($0.1.message)" }
            .joined(separator: "\nkeelson: ")
        throw Failure(
            status, text,
            advice: "check that the servers run and that --endpoints names them")
    }
}
