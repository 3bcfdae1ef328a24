import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// Each member tells the cluster once what it is called and where its clients find it.
struct Publication {
    var inFlight = false
    var done = false
    var retryAt = NIODeadline.now()
}

extension Node {
    func publishAttributes() {
        guard !publication.done, !publication.inFlight, !stopping, leader != nil,
            gate.isAdmitted, NIODeadline.now() >= publication.retryAt
        else { return }
        let attributes = ownAttributes
        if let record = store.members[memberID], record.hasPublished(attributes) {
            publication.done = true
            return
        }
        publication.inFlight = true
        propose(.memberAttributes, proposedID: 0, body: attributes.encode(), as: .node) {
            [weak self] outcome in
            guard let self else { return }
            publication.inFlight = false
            publication.retryAt = .now() + .seconds(1)
            if case .applied = outcome { publication.done = true }
        }
    }

    func noteLevel() {
        let level = store.members.clusterLevel
        guard level != levelLogged else { return }
        levelLogged = level
        logger.notice(
            "all members know a higher feature level: the cluster makes use of it",
            metadata: ["level": "\(level)"])
    }

    private var ownAttributes: MemberAttributes {
        MemberAttributes(
            member: memberID, name: configuration.name,
            clientURLs: configuration.advertiseClientURLs.map(\.description),
            peerURLs: configuration.initialAdvertisePeerURLs.map(\.description),
            version: KeelsonVersion.etcdCompatible, boot: identity.boot, nonce: identity.nonce,
            level: identity.level)
    }
}
