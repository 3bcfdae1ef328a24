import Logging
import NIOCore
import NIOPosix
import Primitives
import Replication

/// Finds the cluster that this node was told to join, and the id that it has there.
struct ClusterJoining {
    let configuration: ServerConfiguration
    let security: TLSPort?
    let logger: Logger

    private static let retryInterval: Duration = .milliseconds(500)
    private static let answerDeadline: TimeAmount = .seconds(3)

    private enum Failure: Error, CustomStringConvertible {
        case closed
        case late

        var description: String {
            switch self {
            case .closed: "it closed the connection"
            case .late: "it did not answer in time"
            }
        }
    }

    /// Asks the members that `--initial-cluster` names, one after another and again, until one of
    /// them knows this node's peer URLs. Waits as long as nobody answers; cancelling the task ends
    /// that.
    /// - Throws: ``ConfigurationError`` where the cluster has no such member, or one that has
    ///   started before.
    func ask() async throws -> JoinAnswer {
        let own = configuration.initialAdvertisePeerURLs.map(\.description)
        let others = configuration.initialCluster
            .filter { $0.name != configuration.name }.flatMap(\.peerURLs)
        guard !others.isEmpty else {
            throw ConfigurationError(
                flag: "--initial-cluster-state", value: "existing",
                reason: "--initial-cluster names no member but this one",
                hint: "Name at least one member of the cluster that this one is to join")
        }
        let question = JoinQuestion(peerURLs: own, level: configuration.featureLevel)
        var said = ""
        while true {
            var state =
                "waiting for a member of the cluster to answer at one of "
                + others.map(\.description).joined(separator: ",")
            for url in others {
                do {
                    let answer = try await ask(url, question)
                    if let found = try judge(answer, from: url, own: own) { return found }
                    // Whoever was asked may not have applied the change yet.
                    state =
                        "the cluster has no member at this node's peer URLs yet: add it with "
                        + "`keelson member add \(configuration.name) --peer-urls "
                        + "\(own.joined(separator: ","))`"
                } catch let error as ConfigurationError {
                    throw error
                } catch let refusal as TLSRefusal {
                    state = "waiting for a member of the cluster: TLS to \(url) failed: \(refusal)"
                } catch {
                    logger.debug("no answer", metadata: ["from": "\(url)", "reason": "\(error)"])
                }
            }
            if state != said { logger.notice("\(state)") }
            said = state
            try await Task.sleep(for: Self.retryInterval)
        }
    }

    private func judge(
        _ answer: JoinAnswer, from url: ServiceURL, own: [String]
    ) throws(ConfigurationError) -> JoinAnswer? {
        let urls = own.joined(separator: ",")
        switch answer.verdict {
        case .welcome:
            logger.notice(
                "joining a cluster",
                metadata: [
                    "cluster": "\(answer.clusterID)", "member": "\(answer.memberID)",
                    "said by": "\(url)",
                ])
            return answer
        case .unknown: return nil
        case .startedBefore:
            throw ConfigurationError(
                flag: "--data-dir", value: configuration.dataDirectory,
                reason: "it is empty, and member \(answer.memberID) of the cluster, which is at "
                    + "\(urls), has started before on another disk",
                hint: "If that disk is lost: `keelson member remove \(answer.memberID)`, then "
                    + "`keelson member add \(configuration.name) --peer-urls \(urls)`, "
                    + "and start this node again")
        case .unsupportedProtocol:
            throw ConfigurationError(
                flag: "--initial-cluster", value: "\(url)", reason: answer.reason,
                hint: "Run a version that the other members understand")
        case .levelTooLow:
            throw ConfigurationError(
                flag: "--initial-cluster", value: "\(url)", reason: answer.reason,
                hint: "Start the build that the other members run")
        }
    }

    private func ask(_ url: ServiceURL, _ question: JoinQuestion) async throws -> JoinAnswer {
        let group = MultiThreadedEventLoopGroup.singleton
        let loop = group.next()
        let promise = loop.makePromise(of: [UInt8].self)
        let late = loop.scheduleTask(in: Self.answerDeadline) { promise.fail(Failure.late) }
        let security = self.security
        let channel = ClientBootstrap(group: loop)
            .connectTimeout(.seconds(1))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = PeerChannelHandler()
                    handler.onActive = { handler in
                        _ = handler.send(question.encode())
                        handler.flush()
                    }
                    handler.onFrame = { handler, frame in
                        promise.succeed(frame)
                        handler.close()
                    }
                    handler.onClose = { _, error in promise.fail(error ?? Failure.closed) }
                    try PeerSocket.secure(channel, to: url, security)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(host: url.host, port: url.port)
        channel.whenFailure { promise.fail($0) }
        defer {
            late.cancel()
            channel.whenSuccess { $0.close(promise: nil) }
        }
        return try JoinAnswer.decode(try await promise.futureResult.get())
    }
}
