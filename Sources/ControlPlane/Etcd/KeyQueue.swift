internal import Primitives
internal import StateMachine

/// The keys under one prefix as a queue, in the order of their creation: the first one's owner has
/// what the prefix names. Each waits for the one before it only, so that a release wakes one.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`. It looks at the applied state,
/// so what it says holds at a revision that this node has reached.
final class KeyQueue: @unchecked Sendable {
    /// A key that waits to be the first of its prefix.
    final class Waiter {
        let prefix: [UInt8]
        let key: [UInt8]
        let createRevision: Int64
        /// With true once the key is the first; with false once it is gone.
        fileprivate var done: ((Bool) -> Void)?
        /// The keys whose deletion it is to be told of: its own and the one before.
        fileprivate var watched: [[UInt8]] = []

        fileprivate init(
            prefix: [UInt8], key: [UInt8], createRevision: Int64, done: @escaping (Bool) -> Void
        ) {
            self.prefix = prefix
            self.key = key
            self.createRevision = createRevision
            self.done = done
        }
    }

    private unowned let node: any NodeFacade
    private var waiting: [[UInt8]: [Waiter]] = [:]

    init(node: any NodeFacade) { self.node = node }

    var waiterCount: Int { waiting.values.reduce(0) { $0 + $1.count } }

    /// Calls back at once where the key is the first already, or gone.
    func wait(
        prefix: [UInt8], key: [UInt8], createRevision: Int64, _ done: @escaping (Bool) -> Void
    ) -> Waiter {
        let waiter = Waiter(
            prefix: prefix, key: key, createRevision: createRevision, done: done)
        look(waiter)
        return waiter
    }

    /// Nobody waits any more; what it was to call is not called.
    func cancel(_ waiter: Waiter) {
        waiter.done = nil
        forget(waiter)
    }

    func applied(_ batch: [Applied]) {
        guard !waiting.isEmpty else { return }
        for applied in batch {
            for event in applied.events where event.isTombstone {
                for waiter in waiting[event.key.storage] ?? [] { look(waiter) }
            }
        }
    }

    func storeReplaced() {
        let all = waiting.values.flatMap { $0 }
        for waiter in all { look(waiter) }
    }

    /// The oldest key under a prefix, now or at an earlier revision.
    func first(_ prefix: [UInt8], revision: Int64 = 0) -> Record? {
        var request = RangeRequest(key: prefix, rangeEnd: KeyQueue.end(of: prefix))
        request.revision = revision
        request.limit = 1
        request.sortOrder = SortOrder.ascend.rawValue
        request.sortTarget = SortTarget.create.rawValue
        return (try? node.store.range(request))?.records.first
    }

    func record(_ key: [UInt8]) -> Record? {
        (try? node.store.range(RangeRequest(key: key)))?.records.first
    }

    /// Where the keys with a prefix end.
    static func end(of prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.last {
            if last < .max {
                end[end.count - 1] = last + 1
                return end
            }
            end.removeLast()
        }
        return [0]
    }

    private func look(_ waiter: Waiter) {
        forget(waiter)
        guard waiter.done != nil else { return }
        guard record(waiter.key)?.createRevision == waiter.createRevision else {
            return finish(waiter, isFirst: false)
        }
        guard let before = predecessor(of: waiter) else { return finish(waiter, isFirst: true) }
        waiter.watched = [waiter.key, before]
        for key in waiter.watched { waiting[key, default: []].append(waiter) }
    }

    private func predecessor(of waiter: Waiter) -> [UInt8]? {
        var request = RangeRequest(
            key: waiter.prefix, rangeEnd: KeyQueue.end(of: waiter.prefix))
        request.limit = 1
        request.sortOrder = SortOrder.descend.rawValue
        request.sortTarget = SortTarget.create.rawValue
        request.maxCreateRevision = waiter.createRevision - 1
        return (try? node.store.range(request))?.records.first?.key.storage
    }

    private func finish(_ waiter: Waiter, isFirst: Bool) {
        let done = waiter.done
        waiter.done = nil
        done?(isFirst)
    }

    private func forget(_ waiter: Waiter) {
        for key in waiter.watched {
            waiting[key]?.removeAll { $0 === waiter }
            if waiting[key]?.isEmpty == true { waiting[key] = nil }
        }
        waiter.watched = []
    }
}
