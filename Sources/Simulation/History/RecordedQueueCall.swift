package import Primitives

/// One call of the lock or the election service. Both keep a queue of keys, in the order of their
/// creation, under a name.
package struct RecordedQueueCall: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case lock, unlock, campaign, proclaim, resign, leader

        /// Whether it waits until its key is the first.
        package var waits: Bool { self == .lock || self == .campaign }
    }

    package enum Outcome: Hashable, Sendable {
        /// With the header's revision.
        case ok(revision: Int64)
        /// Without effect, as far as it waits for nothing; otherwise with its error only.
        case failed(String)
        case unknown(String?)
    }

    /// Unique among the calls of its history.
    package var id: Int
    package var client: Int
    package var member: Int?
    package var start: Int64
    /// Nil: never answered.
    package var end: Int64?
    package var kind: Kind
    package var name: Bytes
    package var lease: Int64
    /// What is campaigned for with, or proclaimed.
    package var value: Bytes
    /// Of a release or a proclamation: the key that it is about, and its creation where it says so.
    package var key: Bytes
    package var created: Int64
    package var outcome: Outcome
    /// Who leads, as it was answered.
    package var leader: RecordedPair?

    package init(
        id: Int, client: Int, member: Int? = nil, start: Int64, end: Int64?, _ kind: Kind,
        name: Bytes, lease: Int64 = 0, value: Bytes = Bytes([]), key: Bytes = Bytes([]),
        created: Int64 = 0, _ outcome: Outcome, leader: RecordedPair? = nil
    ) {
        self.id = id
        self.client = client
        self.member = member
        self.start = start
        self.end = end
        self.kind = kind
        self.name = name
        self.lease = lease
        self.value = value
        self.key = key
        self.created = created
        self.outcome = outcome
        self.leader = leader
    }

    package static func prefix(_ name: Bytes) -> [UInt8] { name.storage + [0x2F] }

    /// The key that a waiting call has in the queue.
    package static func key(_ name: Bytes, lease: Int64) -> Bytes {
        Bytes(prefix(name) + Array(String(UInt64(bitPattern: lease), radix: 16).utf8))
    }

    package var summary: String { "\(kind.rawValue) \(id) of \(name), lease \(lease)" }
}

/// One stream that tells who leads, from its opening to its end.
package struct RecordedObservation: Hashable, Sendable {
    package struct Telling: Hashable, Sendable {
        package var time: Int64
        /// Of the header.
        package var revision: Int64
        package var leader: RecordedPair

        package init(time: Int64, revision: Int64, _ leader: RecordedPair) {
            self.time = time
            self.revision = revision
            self.leader = leader
        }
    }

    package var id: Int
    package var client: Int
    package var member: Int?
    package var start: Int64
    /// Nil: as long as the run.
    package var end: Int64?
    package var name: Bytes
    package var tellings: [Telling]

    package init(
        id: Int, client: Int, member: Int? = nil, start: Int64, end: Int64? = nil, name: Bytes,
        tellings: [Telling] = []
    ) {
        self.id = id
        self.client = client
        self.member = member
        self.start = start
        self.end = end
        self.name = name
        self.tellings = tellings
    }
}
