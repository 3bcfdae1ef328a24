package import Primitives

/// One version of a key as a client saw it. A field that is zero was not recorded.
package struct RecordedPair: Hashable, Sendable {
    package var key: Bytes
    package var value: Bytes
    package var createRevision: Int64
    package var modRevision: Int64
    package var version: Int64
    package var lease: Int64

    package init(
        key: Bytes, value: Bytes = Bytes([]), createRevision: Int64 = 0, modRevision: Int64 = 0,
        version: Int64 = 0, lease: Int64 = 0
    ) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.lease = lease
    }
}

extension RecordedPair: CustomStringConvertible {
    package var description: String {
        let attached = lease == 0 ? "" : " lease \(lease)"
        return "\(key)=\(value) (created \(createRevision), changed \(modRevision), version "
            + "\(version)\(attached))"
    }
}

/// One change of one key: what a watch delivers and what a revision is made of.
package struct RecordedEvent: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case put, delete }

    package var kind: Kind
    /// A deletion has only the key and the revision that it happened at.
    package var pair: RecordedPair
    /// What the key was before, where a watch asked for it.
    package var previous: RecordedPair?

    package init(_ kind: Kind, _ pair: RecordedPair, previous: RecordedPair? = nil) {
        self.kind = kind
        self.pair = pair
        self.previous = previous
    }

    package static func delete(_ key: Bytes, at revision: Int64) -> RecordedEvent {
        RecordedEvent(.delete, RecordedPair(key: key, modRevision: revision))
    }

    package var key: Bytes { pair.key }
    package var revision: Int64 { pair.modRevision }
    /// What clients take for "the key is new": a put whose two revisions are one.
    package var isCreate: Bool {
        kind == .put && pair.createRevision == pair.modRevision
    }
}

extension RecordedEvent: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .put: "put \(pair)"
        case .delete: "delete \(pair.key) at \(pair.modRevision)"
        }
    }
}
