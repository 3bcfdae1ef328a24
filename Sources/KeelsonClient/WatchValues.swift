/// A change of one key.
public struct WatchEvent: Hashable, Sendable {
    public enum Kind: Sendable { case put, delete }

    public var kind: Kind
    /// After a put the new version; after a deletion only the key and the revision that deleted it.
    public var keyValue: KeyValue
    /// The version before, if it was asked for and has not been compacted away.
    public var previous: KeyValue?

    /// A put that brought the key into being.
    public var isCreation: Bool {
        kind == .put && keyValue.createRevision == keyValue.modRevision
    }
}

/// One or more whole revisions, in their order, or how far the watch has come.
public struct WatchUpdate: Hashable, Sendable {
    public var header: AnswerHeader
    /// Empty if this only says that nothing happened up to `header.revision`.
    public var events: [WatchEvent]
}

/// What to watch for.
public struct WatchOptions: Hashable, Sendable {
    /// The first revision to see; 0 is whatever comes after the watch has been created.
    public var startRevision: Int64 = 0
    public var returnsPrevious = false
    /// Ask to be told from time to time how far the watch has come.
    public var reportsProgress = false
    public var skipsPuts = false
    public var skipsDeletes = false

    public init() {}
}
