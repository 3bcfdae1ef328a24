internal import Primitives
internal import StateMachine

/// Leave that somebody needs: to read or to write records of one kind, or one of them. It is the
/// same leave that reads them as keys below `/keelson/`, and the only one there is.
package struct AccessNeed: Equatable, Sendable {
    package enum Verb: String, Sendable {
        case read
        case write
    }

    /// Kinds of records, by where they stand.
    enum Kind: CaseIterable, Sendable {
        case agents
        case frameworks
        case tasks
        case launches
        case executors
        case roles
        case services
        case serviceVersions
        case serviceGroups
        case instances
        case deployments
    }

    package var verb: Verb
    /// A key, or what the keys of a range begin with; empty: all keys.
    package var key: [UInt8]
    package var isPrefix: Bool

    package init(verb: Verb, key: [UInt8], isPrefix: Bool) {
        self.verb = verb
        self.key = key
        self.isPrefix = isPrefix
    }

    static func read(_ kinds: Kind...) -> [AccessNeed] {
        kinds.map { AccessNeed(verb: .read, key: $0.prefix.storage, isPrefix: true) }
    }

    static func write(_ kinds: Kind...) -> [AccessNeed] {
        kinds.map { AccessNeed(verb: .write, key: $0.prefix.storage, isPrefix: true) }
    }

    /// What says nothing of records: how many there are, how the servers are.
    static let readMaster = [
        AccessNeed(verb: .read, key: RecordKeys.master.storage, isPrefix: false)
    ]

    /// The records of agents, frameworks and what they run.
    static let readState = read(.agents, .frameworks, .tasks, .launches, .executors)

    /// All that is known of services.
    static let readServices = read(
        .services, .serviceVersions, .serviceGroups, .instances, .deployments)

    static func write(key: [UInt8]) -> AccessNeed {
        AccessNeed(verb: .write, key: key, isPrefix: false)
    }

    static func read(prefix: [UInt8]) -> AccessNeed {
        AccessNeed(verb: .read, key: prefix, isPrefix: true)
    }

    var range: KeyRange {
        guard isPrefix else { return KeyRange(key: key, rangeEnd: []) }
        return KeyRange(
            key: key.isEmpty ? [0] : key, rangeEnd: key.isEmpty ? [0] : KeyQueue.end(of: key))
    }

    /// As a role is granted it.
    package var text: String {
        let key = String(decoding: key.prefix(200), as: UTF8.self)
        return "\(verb.rawValue) '\(key)'" + (isPrefix ? " and what is below" : "")
    }
}

extension AccessNeed.Kind {
    var prefix: Bytes {
        switch self {
        case .agents: RecordKeys.agents
        case .frameworks: RecordKeys.frameworks
        case .tasks: RecordKeys.tasks
        case .launches: RecordKeys.launches
        case .executors: RecordKeys.executors
        case .roles: RecordKeys.roles
        case .services: RecordKeys.services
        case .serviceVersions: RecordKeys.serviceVersions
        case .serviceGroups: RecordKeys.serviceGroups
        case .instances: RecordKeys.instances
        case .deployments: RecordKeys.deployments
        }
    }
}
