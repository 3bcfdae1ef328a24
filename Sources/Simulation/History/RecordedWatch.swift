package import Primitives

/// One message that arrived on a watch.
package struct RecordedWatchResponse: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        case created
        case events([RecordedEvent])
        /// "You have seen everything up to the header's revision."
        case progress
        case canceled(compactRevision: Int64, reason: String)
    }

    package var time: Int64
    /// The header's revision.
    package var revision: Int64
    package var body: Body
    /// More pieces of the same message follow.
    package var isFragment: Bool

    package init(time: Int64, revision: Int64, _ body: Body, isFragment: Bool = false) {
        self.time = time
        self.revision = revision
        self.body = body
        self.isFragment = isFragment
    }

    package var events: [RecordedEvent] {
        if case .events(let events) = body { events } else { [] }
    }
}

/// One watch, from its creation to its end. A watch that a client opened to carry on where another
/// one broke off is a record of its own that names the other in ``resumes``.
package struct RecordedWatch: Hashable, Sendable {
    /// Unique in its history.
    package var id: Int
    package var client: Int
    package var member: Int?
    /// When it was asked for, in nanoseconds of the operations' clock.
    package var start: Int64
    package var interval: KeyInterval
    /// Zero: after now.
    package var startRevision: Int64
    package var withoutPuts: Bool
    package var withoutDeletes: Bool
    package var wantsPrevious: Bool
    package var wantsFragments: Bool
    package var resumes: Int?
    package var responses: [RecordedWatchResponse]

    package init(
        id: Int, client: Int, member: Int? = nil, start: Int64, interval: KeyInterval,
        startRevision: Int64 = 0, withoutPuts: Bool = false, withoutDeletes: Bool = false,
        wantsPrevious: Bool = false, wantsFragments: Bool = false, resumes: Int? = nil,
        responses: [RecordedWatchResponse] = []
    ) {
        self.id = id
        self.client = client
        self.member = member
        self.start = start
        self.interval = interval
        self.startRevision = startRevision
        self.withoutPuts = withoutPuts
        self.withoutDeletes = withoutDeletes
        self.wantsPrevious = wantsPrevious
        self.wantsFragments = wantsFragments
        self.resumes = resumes
        self.responses = responses
    }

    /// Whether the watch asked for events like this one.
    package func wants(_ event: RecordedEvent) -> Bool {
        switch event.kind {
        case .put: if withoutPuts { return false }
        case .delete: if withoutDeletes { return false }
        }
        return covers(event.key)
    }

    /// An empty key is the smallest one.
    package func covers(_ key: Bytes) -> Bool {
        if interval.key.isEmpty {
            return KeyInterval(Bytes([0]), end: interval.end).contains(key)
        }
        return interval.contains(key)
    }

    /// The revision of its `created` answer.
    package var createdRevision: Int64? {
        responses.first { $0.body == .created }?.revision
    }

    /// The first revision whose events it owes, or nil where that is not known: it asked for
    /// "after now" and was never told when that was.
    package var firstRevision: Int64? {
        if startRevision > 0 { return startRevision }
        return createdRevision.map { $0 + 1 }
    }

    /// The highest revision up to which it has everything, by its own account: the last complete
    /// event or progress mark; nil before either.
    package var reachedRevision: Int64? {
        var reached: Int64?
        for response in responses {
            switch response.body {
            case .events(let events):
                if !response.isFragment, let last = events.last {
                    reached = max(reached ?? 0, last.revision)
                }
            case .progress: reached = max(reached ?? 0, response.revision)
            case .created, .canceled: break
            }
        }
        return reached
    }
}
