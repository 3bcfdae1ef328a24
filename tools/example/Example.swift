internal import KeelsonClient

/// What a service does with a cluster: it tells where it is for as long as it lives, sees how
/// others change, and writes to what is shared only while it holds the lock.
///
///     keelson dev &
///     swift run keelson-example http://127.0.0.1:2379
@main
struct Example {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let endpoints = arguments.isEmpty ? ["http://127.0.0.1:2379"] : Array(arguments)
        let cluster = try Cluster(endpoints: endpoints)
        do {
            try await registerAndWatch(cluster)
            try await writeUnderLock(cluster)
        } catch {
            await cluster.shutdown()
            throw error
        }
        await cluster.shutdown()
    }

    /// A key with a lease, seen by a watch that begins right behind a read: nothing is missed, and
    /// nothing is seen twice.
    private static func registerAndWatch(_ cluster: Cluster) async throws {
        let known = try await cluster.get(.prefix("services/web/"))
        var options = WatchOptions()
        options.startRevision = known.header.revision + 1
        let watch = try await cluster.watch(.prefix("services/web/"), options)
        defer { watch.cancel() }

        let lease = try await cluster.grantLease(timeToLiveSeconds: 10)
        var attached = PutOptions()
        attached.lease = lease.id
        try await cluster.put("services/web/1", "10.0.0.1:80", attached)
        // Ending the lease takes the key along, as a crash would after ten seconds.
        try await cluster.revokeLease(lease.id)

        for try await update in watch {
            for event in update.events {
                let key = String(decoding: event.keyValue.key, as: UTF8.self)
                let value = String(decoding: event.keyValue.value, as: UTF8.self)
                switch event.kind {
                case .put: print("up: \(key) at \(value)")
                case .delete:
                    print("down: \(key)")
                    return
                }
            }
        }
    }

    /// The fencing token goes into what is guarded: an owner whose lease ran out while it slept
    /// has a smaller one than its successor, and is refused.
    private static func writeUnderLock(_ cluster: Cluster) async throws {
        let lease = try await cluster.grantLease(timeToLiveSeconds: 10)
        let renewing = Task { try await cluster.keepLeaseAlive(lease.id) }
        defer { renewing.cancel() }
        let lock = try await cluster.lock("example", lease: lease.id)

        // The write happens only where the lock's key is still the one that was won.
        let transaction = Transaction(
            if: [Comparison(.key(lock.key), .equal, .createRevision(lock.fencingToken))],
            then: [
                .put(
                    Array("example/report".utf8),
                    Array("written with token \(lock.fencingToken)".utf8))
            ])
        let result = try await cluster.commit(transaction)
        print(result.succeeded ? "written under the lock" : "the lock was lost: not written")

        try await cluster.unlock(lock)
        try await cluster.revokeLease(lease.id)
    }
}
