/// The changes of a range of keys, in order, each once, without a gap.
///
/// It survives the loss of a connection or of a member: it asks another for what comes after the
/// last revision that it saw. It ends with an error when that revision was compacted away, or the
/// server refuses. One reader at a time; it ends when its reader's task is cancelled, when
/// ``cancel()`` is called or when nobody holds it any more.
public final class KeyWatch: AsyncSequence, Sendable {
    public typealias Element = WatchUpdate

    private let watcher: Watcher
    /// The store's revision when the watch was created: every later change is seen.
    public let createdRevision: Int64

    init(_ watcher: Watcher, createdRevision: Int64) {
        self.watcher = watcher
        self.createdRevision = createdRevision
    }

    deinit { cancel() }

    /// Ends the watch: its reader gets what was received, then the end.
    public func cancel() {
        let watcher = self.watcher
        watcher.execute { watcher.close() }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(watch: self) }

    public struct Iterator: AsyncIteratorProtocol {
        let watch: KeyWatch

        /// - Throws: ``ClusterError``.
        public mutating func next() async throws -> WatchUpdate? {
            try await watch.watcher.next()
        }
    }
}

extension Cluster {
    /// Starts to watch a range; returns when a member has created the watch.
    ///
    /// - Throws: ``ClusterError``: `compacted` if the start revision is no longer there,
    ///   `unavailable` if no member created the watch in time.
    public func watch(
        _ range: KeyRange, _ options: WatchOptions = WatchOptions(), timeout: Duration? = nil
    ) async throws(ClusterError) -> KeyWatch {
        let watcher = Watcher(range: range, options: options, dialer: dialer)
        let revision = try await watcher.start(timeout: timeout ?? self.options.timeout)
        return KeyWatch(watcher, createdRevision: revision)
    }
}
