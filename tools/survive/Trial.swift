internal import ArgumentParser

/// One fault by itself, under load, with its own figures.
enum Trial: String, ExpressibleByArgument, CaseIterable {
    /// A follower's disk is full.
    case fullFollower = "full-follower"
    /// The leader's disk is full.
    case fullLeader = "full-leader"
    /// The leader and the others do not reach each other.
    case cutLeader = "cut-leader"
    /// Nothing reaches the leader, and what it sends arrives.
    case deafLeader = "deaf-leader"
    /// Nothing that the leader sends arrives, and it hears the others.
    case muteLeader = "mute-leader"
    /// The leader and one follower do not reach each other; the third reaches both.
    case cutLink = "cut-link"
    /// The cluster grows to five and shrinks to three, and a dead member is replaced.
    case members
    /// Three servers of an older feature level are replaced by newer ones, one by one.
    case upgrade
    /// Servers with emptied directories come back by themselves.
    case rejoinEmpty = "rejoin-empty"
    /// Servers with older directories do.
    case rejoinOld = "rejoin-old"
    /// A learner votes in the stead of a dead member, as the operator's policy says.
    case succession

    static let names = allCases.map(\.rawValue).joined(separator: ", ")

    /// Bytes of a value: where a disk is to be filled, much.
    var valueBytes: Int {
        switch self {
        case .fullFollower, .fullLeader: 48 << 10
        case .cutLeader, .deafLeader, .muteLeader, .cutLink, .members, .upgrade, .rejoinEmpty,
            .rejoinOld, .succession:
            0
        }
    }
}
