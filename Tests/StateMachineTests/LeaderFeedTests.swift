import Primitives
import StateMachine
import Testing

@Suite("What observers of an election are told (RELIABILITY, Q6 of locks and elections)")
struct LeaderFeedTests {
    private let driver = StoreDriver()

    private func campaign(_ lease: Int64, _ value: String) throws -> (QueueEntry, Applied) {
        driver.grant(lease)
        let applied = driver.apply(
            .txn, QueueEntry.entrance(bytes("e"), lease: lease, value: bytes(value)))
        let entry = try #require(
            QueueEntry(bytes("e"), lease: lease, value: bytes(value), applied))
        return (entry, applied)
    }

    private func resign(_ entry: QueueEntry) -> Applied {
        driver.apply(.txn, QueueEntry.departure(entry.key, created: entry.createRevision))
    }

    private func proclaim(_ entry: QueueEntry, _ value: String) -> Applied {
        driver.apply(
            .txn,
            QueueEntry.proclamation(
                entry.key, created: entry.createRevision, value: bytes(value), lease: entry.lease))
    }

    private func text(_ telling: LeaderFeed.Telling) -> String {
        "\(String(decoding: telling.record.value, as: UTF8.self))@\(telling.revision.rawValue)"
    }

    @Test("each leader and each proclamation is told once, in order, with its revision")
    func inOrder() throws {
        var feed = LeaderFeed(prefix: QueueEntry.prefix(bytes("e")))
        #expect(feed.look(in: driver.store).map(text) == nil)
        var batch: [Applied] = []
        let (first, applied) = try campaign(1, "a")
        batch.append(applied)
        let (second, behind) = try campaign(2, "b")
        batch += [behind, proclaim(first, "a2"), driver.put("other", "x"), proclaim(second, "b2")]
        batch += [resign(first), proclaim(second, "b3")]
        let told = feed.applied(batch.flatMap(\.events), in: driver.store).map(text)
        #expect(told == ["a@2", "a2@4", "b2@7", "b3@8"])
        #expect(feed.look(in: driver.store).map(text) == nil)
        #expect(feed.applied(resign(second).events, in: driver.store).map(text) == [])
        let (_, last) = try campaign(1, "again")
        #expect(feed.applied(last.events, in: driver.store).map(text) == ["again@10"])
    }

    @Test("what a look has told is not told again by what was applied before it")
    func lookedThrough() throws {
        var feed = LeaderFeed(prefix: QueueEntry.prefix(bytes("e")))
        let (first, applied) = try campaign(1, "a")
        let proclaimed = proclaim(first, "a2")
        #expect(feed.look(in: driver.store).map(text) == "a2@3")
        let events = applied.events + proclaimed.events
        #expect(feed.applied(events, in: driver.store).map(text) == [])
        #expect(
            feed.applied(proclaim(first, "a3").events, in: driver.store).map(text) == ["a3@4"])
        feed.forget()
        #expect(feed.look(in: driver.store).map(text) == "a3@4")
    }

    @Test("a change that was compacted with it is told as who leads now")
    func compacted() throws {
        var feed = LeaderFeed(prefix: QueueEntry.prefix(bytes("e")))
        let (first, _) = try campaign(1, "a")
        _ = try campaign(2, "b")
        #expect(feed.look(in: driver.store).map(text) == "a@3")
        let left = resign(first)
        driver.put("other", "x")
        driver.compact(5)
        #expect(feed.applied(left.events, in: driver.store).map(text) == ["b@5"])
    }
}
