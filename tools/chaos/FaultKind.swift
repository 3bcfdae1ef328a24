/// What the nemesis does to the servers.
enum FaultKind: String, CaseIterable, Sendable {
    /// SIGKILL, and a restart some time later.
    case kill
    /// As `kill`, and killed again while it restarts.
    case killInRecovery
    /// SIGTERM, and a restart.
    case stop
    /// SIGSTOP, and SIGCONT.
    case pause
    /// SIGKILL to all at once.
    case killAll
    /// One node from all others, both ways.
    case isolate
    /// One link, both ways; everybody else reaches both.
    case cutLink
    /// It hears nothing from the others.
    case deafen
    /// The others hear nothing from it.
    case mute
    /// Packets between some node and all others are lost at random.
    case lose
    /// Packets between some node and all others take their time, each another one.
    case delay
    /// Clients do not reach it; the others do.
    case cutClients
    /// The disk of the last node, which is a small one, is full for a while.
    case fillDisk
    /// The wall clock of a node jumps, forth or back, by seconds or by years, and back again.
    case stepClock
    /// A member is removed, its disk emptied, and it joins again under another id.
    case rejoin
    /// The clients' password is set, or their role taken away for a while.
    case users
    /// A byte of an old file of a node that is down is changed.
    case corrupt

    var needsNetwork: Bool {
        switch self {
        case .isolate, .cutLink, .deafen, .mute, .lose, .delay, .cutClients: true
        case .kill, .killInRecovery, .stop, .pause, .killAll, .corrupt, .fillDisk, .stepClock,
            .rejoin, .users:
            false
        }
    }

    /// How often it is drawn, beside the others.
    var weight: Int {
        switch self {
        case .kill: 6
        case .killInRecovery: 2
        case .stop: 3
        case .pause: 6
        case .killAll: 1
        case .isolate: 4
        case .cutLink: 3
        case .deafen, .mute: 3
        case .lose: 4
        case .delay: 4
        case .stepClock: 3
        case .rejoin: 3
        case .users: 3
        case .cutClients: 1
        case .corrupt: 2
        case .fillDisk: 2
        }
    }

    /// Whether the node that it strikes may be of no use to the others meanwhile.
    var impairs: Bool {
        switch self {
        case .kill, .killInRecovery, .stop, .pause, .killAll, .isolate, .deafen, .mute, .delay,
            .corrupt, .fillDisk, .rejoin:
            true
        case .cutLink, .lose, .cutClients, .stepClock, .users: false
        }
    }
}
