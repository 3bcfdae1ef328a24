package import NIOCore

/// Connections that are accepted and have not said what they want, counted by where they are from:
/// one source must not keep others from being served.
///
/// Bounded by the number of connections. Confined to its owner's event loop.
package struct ConnectionOpenings {
    private let perSourceMax: Int
    private var sources: [ObjectIdentifier: String] = [:]
    private var counts: [String: Int] = [:]

    package init(perSourceMax: Int) { self.perSourceMax = perSourceMax }

    /// How many there are, of all sources.
    package var count: Int { sources.count }

    /// False: its source has as many as it may.
    package mutating func begin(_ channel: any Channel) -> Bool {
        guard let source = channel.remoteAddress?.ipAddress else { return true }
        let count = counts[source] ?? 0
        guard count < perSourceMax else { return false }
        counts[source] = count + 1
        sources[ObjectIdentifier(channel)] = source
        return true
    }

    /// It has said what it wants, or it is gone. May be told more than once.
    package mutating func end(_ channel: any Channel) {
        guard let source = sources.removeValue(forKey: ObjectIdentifier(channel)),
            let count = counts[source]
        else { return }
        counts[source] = count > 1 ? count - 1 : nil
    }
}
