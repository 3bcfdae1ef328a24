/// One version of a key, or the mark of its deletion.
package struct EtcdRevision: Equatable, Sendable {
    package var main: Int64
    package var sub: Int64
    package var isTombstone: Bool
    package var key: [UInt8]
    /// The rest is empty and zero of a deletion.
    package var value: [UInt8] = []
    package var createRevision: Int64 = 0
    package var modRevision: Int64 = 0
    package var version: Int64 = 0
    package var lease: Int64 = 0
}

/// Times in seconds.
package struct EtcdLease: Equatable, Sendable {
    package var id: Int64
    package var seconds: Int64
    /// Zero where none was noted.
    package var remainingSeconds: Int64

    package init(id: Int64, seconds: Int64, remainingSeconds: Int64) {
        self.id = id
        self.seconds = seconds
        self.remainingSeconds = remainingSeconds
    }
}

package struct EtcdMember: Equatable, Sendable {
    package var id: UInt64
    package var name = ""
    package var peerURLs: [String] = []
    package var clientURLs: [String] = []
    package var isLearner = false

    package init(
        id: UInt64, name: String = "", peerURLs: [String] = [], clientURLs: [String] = [],
        isLearner: Bool = false
    ) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }
}

package struct EtcdUser: Equatable, Sendable {
    package var name: [UInt8]
    /// As etcd keeps it: bcrypt.
    package var password: [UInt8] = []
    package var roles: [[UInt8]] = []
    package var hasNoPassword = false
}

package struct EtcdRole: Equatable, Sendable {
    package struct Permission: Equatable, Sendable {
        package enum Kind: UInt64, Sendable {
            case read = 0
            case write = 1
            case readWrite = 2
        }

        package var kind = Kind.read
        package var key: [UInt8] = []
        package var rangeEnd: [UInt8] = []
    }

    package var name: [UInt8]
    package var permissions: [Permission] = []
}

/// What stands once in the file. Nil where the release that wrote it had no such row.
package struct EtcdFacts: Equatable, Sendable {
    package var consistentIndex: UInt64?
    package var term: UInt64?
    package var scheduledCompaction: Int64?
    package var finishedCompaction: Int64?
    package var isAuthEnabled = false
    package var authRevision: UInt64?
}
