import Logging
import NIOCore
import NIOPosix
import Primitives
import Replication
import Storage

/// Finds the cluster that this node was told to join, and the id that it has there.
struct ClusterJoining {
    let configuration: ServerConfiguration
    let security: TLSPort?
    let logger: Logger
    /// What this process had and lost, where it did.
    let search: ServerSearch?

    private static let retryInterval: Duration = .milliseconds(500)
    private static let answerDeadline: TimeAmount = .seconds(3)
    /// So often nobody must know of a removed member's successor before its server ends.
    private static let roundsAfterRemoval = 4

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

    // MARK: As whom the server starts

    /// As its data directory says where there is one that it has not lost, as the cluster says
    /// where it is to join one or to come back, and otherwise as the flags do.
    func identify(_ configuration: inout ServerConfiguration) async throws -> NodeIdentity {
        let path = configuration.dataDirectory
        let known = try DataDirectory.identity(at: path, fileSystem: PosixFileSystem())
        if let search {
            // Before anything is given away.
            if known != nil {
                try RetiredDirectory.checkRoom(beside: path, fileSystem: PosixFileSystem())
            }
            guard let answer = try await ask(search.lost, of: known) else { throw NoPlaceLeft() }
            if let known { try retire(path, known.memberID) }
            return take(answer, &configuration)
        }
        if let known, known.isRestored {
            try known.checkName(configuration.name, path)
            configuration.initialClusterState = "existing"
            return known
        }
        guard configuration.initialClusterState == "new" else {
            if let known { return known }
            // Whom nobody knows waits until somebody does.
            guard let answer = try await ask(.directory) else { throw NoPlaceLeft() }
            return take(answer, &configuration)
        }
        let founding = try configuration.foundingIdentity()
        if let known {
            guard known.isSuccessor(of: founding) else { return founding }
            configuration.initialClusterState = "existing"
            return known
        }
        guard configuration.rejoinPolicy == .auto, let answer = try await find(founding) else {
            return founding
        }
        return take(answer, &configuration)
    }

    /// The flags say that the cluster is new, which may have been true once.
    private func find(_ founding: NodeIdentity) async throws -> JoinAnswer? {
        let wasMember =
            try !RetiredDirectory.names(
                beside: configuration.dataDirectory, fileSystem: PosixFileSystem()
            ).isEmpty
        let answer = try await ask(.directory, of: founding, once: !wasMember)
        return answer?.memberID == founding.memberID ? nil : answer
    }

    private func take(
        _ answer: JoinAnswer, _ configuration: inout ServerConfiguration
    ) -> NodeIdentity {
        configuration.meet(answer)
        return NodeIdentity(
            clusterID: answer.clusterID, memberID: answer.memberID, name: configuration.name,
            initialVoters: answer.voters.map(\.id))
    }

    private func retire(_ path: String, _ member: NodeID) throws(StorageError) {
        let place = try RetiredDirectory.retire(
            path, of: member, fileSystem: PosixFileSystem())
        logger.notice(
            "the data directory of the member that this server was is put away",
            metadata: ["member": "\(member)", "kept as": "\(place ?? "nothing")"])
    }

    // MARK: Asking

    /// Asks the members that are known, one after another and again, until one of them has a place
    /// for this server. Waits as long as nobody answers; cancelling the task ends that.
    ///
    /// - Parameter identity: of the cluster that it has to be, where flags or directory say so.
    /// - Parameter once: each member is asked only once.
    /// - Returns: nil where there is none: after `once`, or where the member was removed.
    /// - Throws: ``ConfigurationError`` where the cluster has a member there that has started
    ///   before, and this server may not follow it.
    private func ask(
        _ lost: LostPlace, of identity: NodeIdentity? = nil, once: Bool = false
    ) async throws -> JoinAnswer? {
        let others = others
        guard !others.isEmpty else {
            if once { return nil }
            throw ConfigurationError(
                flag: "--initial-cluster-state", value: "existing",
                reason: "--initial-cluster names no member but this one",
                hint: "Name at least one member of the cluster that this one is to join")
        }
        var places = PlaceSearch(lost, policy: configuration.rejoinPolicy)
        var said = ""
        var strangers = 0
        while true {
            var state = waiting(for: others)
            for url in others {
                switch await step(url, &places, identity) {
                case .take(let answer):
                    say(answer, url)
                    return answer
                case .nobody: state = stateOfNobody(lost)
                case .startedBefore(let answer):
                    if case .membership = lost { return nil }
                    throw startedBefore(answer)
                case .refused(let answer): throw refused(answer, url)
                case .ask, .wait(""): break
                case .wait(let reason): state = reason
                }
            }
            if once, places.replaces == .none { return nil }
            if case .membership = lost, state == stateOfNobody(lost) {
                strangers += 1
                if strangers == Self.roundsAfterRemoval { return nil }
            }
            if state != said { logger.notice("\(state)") }
            said = state
            try await Task.sleep(for: Self.retryInterval)
        }
    }

    private var own: [String] { configuration.initialAdvertisePeerURLs.map(\.description) }

    /// Those of the flags, and those that the server knew before it lost its place.
    private var others: [ServiceURL] {
        var urls = configuration.initialCluster.filter { $0.name != configuration.name }
            .flatMap(\.peerURLs)
        for text in search?.peerURLs ?? [] {
            guard let url = try? ServiceURL(text, flag: "peer URL"), !urls.contains(url),
                !own.contains(text)
            else { continue }
            urls.append(url)
        }
        return urls
    }

    /// One question to one member, and the next one where its answer makes that due.
    private func step(
        _ url: ServiceURL, _ places: inout PlaceSearch, _ identity: NodeIdentity?
    ) async -> PlaceSearch.Step {
        while true {
            let question = JoinQuestion(
                peerURLs: own, level: configuration.featureLevel, replaces: places.replaces,
                name: configuration.name)
            do {
                let answer = try await ask(url, question)
                // It was, or is to be, no member of another cluster.
                if let identity, answer.clusterID != identity.clusterID { return .wait("") }
                let before = places.replaces
                let step = places.take(answer)
                guard step == .ask, before == .none else { return step }
                logger.notice(
                    "this server's disk is lost: asking for its place under another id",
                    metadata: ["member": "\(answer.memberID)", "said by": "\(url)"])
            } catch let refusal as TLSRefusal {
                return .wait(
                    "waiting for a member of the cluster: TLS to \(url) failed: \(refusal)")
            } catch {
                logger.debug("no answer", metadata: ["from": "\(url)", "reason": "\(error)"])
                return .wait("")
            }
        }
    }

    // MARK: What the operator is told

    private func waiting(for others: [ServiceURL]) -> String {
        "waiting for a member of the cluster to answer at one of "
            + others.map(\.description).joined(separator: ",")
    }

    private func stateOfNobody(_ lost: LostPlace) -> String {
        switch lost {
        // Whoever was asked may not have applied the change yet.
        case .directory, .disk:
            "the cluster has no member at this node's peer URLs yet: add it with "
                + "`keelson member add \(configuration.name) --peer-urls "
                + "\(own.joined(separator: ","))`"
        case .membership(let member, _):
            "member \(member) was removed, and the cluster has no other at this node's peer URLs"
        }
    }

    private func say(_ answer: JoinAnswer, _ url: ServiceURL) {
        logger.notice(
            "joining a cluster",
            metadata: [
                "cluster": "\(answer.clusterID)", "member": "\(answer.memberID)",
                "said by": "\(url)",
            ])
    }

    private func startedBefore(_ answer: JoinAnswer) -> ConfigurationError {
        let urls = own.joined(separator: ",")
        return ConfigurationError(
            flag: "--data-dir", value: configuration.dataDirectory,
            reason: "it is empty, or older than the cluster knows it, and member "
                + "\(answer.memberID) of the cluster, which is at \(urls), has started before on "
                + "another disk",
            hint: "If that disk is lost: `keelson member remove \(answer.memberID)`, then "
                + "`keelson member add \(configuration.name) --peer-urls \(urls)`, "
                + "and start this node again; with --rejoin-policy auto it does so by itself")
    }

    private func refused(_ answer: JoinAnswer, _ url: ServiceURL) -> ConfigurationError {
        let isOld = answer.verdict == .levelTooLow
        return ConfigurationError(
            flag: "--initial-cluster", value: "\(url)", reason: answer.reason,
            hint: isOld
                ? "Start the build that the other members run"
                : "Run a version that the other members understand")
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

extension NodeIdentity {
    /// The flags cannot say whose directory it is, but for the name.
    fileprivate func checkName(_ name: String, _ path: String) throws(StorageError) {
        guard self.name == name else {
            throw .foreign(
                path: path, field: "the restored member", expected: name, found: self.name)
        }
    }

    /// Whether it is of a member that came back under another id, on a server whose flags still say
    /// that the cluster is new: it met those who voted then, and was none of them.
    fileprivate func isSuccessor(of founding: NodeIdentity) -> Bool {
        clusterID == founding.clusterID && name == founding.name
            && memberID != founding.memberID && !initialVoters.isEmpty
            && !initialVoters.contains(memberID)
    }
}
