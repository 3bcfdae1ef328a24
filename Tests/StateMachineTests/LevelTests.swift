import Primitives
import StateMachine
import Testing

@Suite("Feature levels: what a build knows, and what the cluster makes use of (decision 0009)")
struct LevelTests {
    let driver = StoreDriver()

    private func publish(
        _ id: UInt64, _ level: FeatureLevel, boot: UInt64 = 1, on driver: StoreDriver? = nil
    ) {
        let attributes = MemberAttributes(
            member: NodeID(id), name: "n\(id)", clientURLs: [], peerURLs: ["http://n\(id):2"],
            version: "3.7.0", boot: BootNumber(boot), nonce: 1, level: level)
        (driver ?? self.driver).apply(.memberAttributes, attributes.encode())
    }

    @discardableResult
    private func raise(_ level: FeatureLevel = .newest) -> Applied {
        driver.apply(.clusterLevel, ClusterLevelCommand.encode(level))
    }

    private var level: FeatureLevel { driver.store.members.clusterLevel }

    @Test("the level rises once every member knows it, whatever its role")
    func rises() throws {
        #expect(level == .first && driver.store.nextLevel == nil)
        publish(1, .newest)
        publish(2, .first)
        let digest = driver.store.digest
        #expect(raise().error == nil && level == .first && driver.store.digest == digest)
        publish(2, .newest, boot: 2)
        #expect(driver.store.nextLevel == .newest)
        // One that joins has said nothing yet.
        driver.apply(
            .memberAddition, MemberCommand.addition(as: .learner, peerURLs: ["http://n3:2"]))
        let joined = try #require(driver.store.members.records.first { $0.role == .learner }).id
        #expect(driver.store.nextLevel == nil)
        raise()
        #expect(level == .first)
        publish(joined.rawValue, .newest)
        #expect(raise().membershipChanged)
        #expect(level == .newest && driver.store.digest != digest)
    }

    @Test("the level does not fall, whatever a member or an entry says")
    func neverFalls() {
        publish(1, .newest)
        raise()
        raise(.first)
        publish(1, .first, boot: 2)
        #expect(level == .newest)
        #expect(driver.store.members[NodeID(1)]?.level == .first)
        raise(FeatureLevel(0))
        #expect(level == .newest)
    }

    @Test("no member, no level")
    func noMember() {
        raise()
        #expect(level == .first)
        #expect(driver.apply(.clusterLevel, [2]).error == .malformed(offset: 1))
        #expect(driver.apply(.clusterLevel, [2, 0, 0]).error == .malformed(offset: 3))
    }

    @Test("a node stops at a level, a header and a kind that it does not know, and applies nothing")
    func stops() {
        driver.store = Store(known: .first)
        publish(1, .newest)
        let (index, digest) = (driver.store.appliedIndex, driver.store.digest)
        driver.clock = 50
        #expect(raise().error == .unknownLevel(.newest, known: .first))
        #expect(raise().mustStop)
        let kind = driver.apply(.downgrade, DowngradeRequest.cancel.encode())
        #expect(kind.mustStop && kind.error == .unknownCommand(version: 1, kind: 18))
        driver.clusterTime = 9
        let header = driver.put("a", "1")
        #expect(header.mustStop && header.error == .unknownCommand(version: 2, kind: 1))
        #expect(driver.store.appliedIndex == index && driver.store.digest == digest)
        #expect(driver.store.clock == 0 && driver.store.keyCount == 0)
        driver.clusterTime = nil
        #expect(raise(FeatureLevel(999)).error == .unknownLevel(FeatureLevel(999), known: .first))
        driver.store = Store()
        let next = FeatureLevel(FeatureLevel.newest.rawValue + 1)
        #expect(raise(next).error == .unknownLevel(next, known: .newest))
    }

    @Test("the cluster's time is that of the last entry that had one, and never goes back")
    func clusterTime() {
        driver.put("a", "1")
        #expect(driver.store.clusterTime == 0)
        driver.clusterTime = 1_700_000_000_000
        driver.put("a", "2")
        driver.clusterTime = 1_600_000_000_000
        driver.put("a", "3")
        driver.clusterTime = nil
        driver.put("a", "4")
        #expect(driver.store.clusterTime == 1_700_000_000_000)
        #expect(driver.get("a") == "4")
    }

    @Test("a header of version 2 comes back as it was, and is stamped where version 1 has no room")
    func header() throws {
        let request = RequestID(origin: NodeID(1), boot: BootNumber(2), sequence: 3)
        for time in [nil, UInt64(0)] {
            var header = CommandHeader(kind: .put, request: request)
            header.user = Array("someone".utf8)
            header.authRevision = 4
            header.clusterTime = time
            var payload = Command.encode(header, body: [7, 8])
            Command.stamp(&payload, clock: 5, clusterTime: 6)
            let (found, offset) = try payload.withUnsafeBytes { try Command.decodeHeader($0) }
            header.clock = 5
            header.clusterTime = time.map { _ in 6 }
            #expect(found == header && Array(payload[offset...]) == [7, 8])
            #expect(Command.requestID(of: payload) == request)
            #expect(Array(Command.body(of: payload)) == [7, 8])
            #expect(Command.kind(of: payload) == .put)
            #expect(Command.kind(of: payload, known: .first) == (time == nil ? .put : nil))
            for count in 0..<payload.count {
                let part = Array(payload[..<count])
                _ = Command.kind(of: part)
                _ = Command.requestID(of: part)
                _ = part.withUnsafeBytes { try? Command.decodeHeader($0) }
            }
        }
    }

    @Test("rows tell a build that does not know the cluster's level, and only that one")
    func rows() throws {
        for member in [FeatureLevel.first, .newest] {
            let driver = StoreDriver()
            publish(1, member, on: driver)
            driver.apply(.clusterLevel, ClusterLevelCommand.encode(.newest))
            driver.put("a", "1")
            var older = StoreLoader(known: .first)
            let rows = driver.store.freeze().rows()
            if member == .first {
                for row in rows { try older.add(row) }
                let store = try older.finish()
                #expect(store.known == .first && store.digest == driver.store.digest)
            } else {
                // One more than the first, which is 5, for each level.
                let format = 4 + UInt32(FeatureLevel.newest.rawValue)
                #expect(throws: StoreLoadError.unknownFormat(format)) {
                    for row in rows { try older.add(row) }
                }
                #expect(try driver.reloaded().members.clusterLevel == .newest)
            }
        }
    }

    @Test("a downgrade job is one at a time, and holds the level")
    func downgrade() throws {
        func ask(_ request: DowngradeRequest) -> StoreError? {
            driver.apply(.downgrade, request.encode()).error
        }
        publish(1, .newest)
        #expect(ask(.cancel) == .noDowngrade)
        let digest = driver.store.digest
        #expect(ask(.enable(target: "3.6.0")) == nil)
        #expect(driver.store.downgradeTarget == "3.6.0" && driver.store.digest != digest)
        #expect(ask(.enable(target: "3.6.0")) == .downgradeInProgress)
        raise()
        #expect(level == .first && driver.store.nextLevel == nil)
        #expect(ask(.cancel) == nil)
        #expect(driver.store.downgradeTarget == nil)
        raise()
        #expect(level == .newest)
        let unknown = driver.apply(.downgrade, [3])
        #expect(unknown.mustStop && unknown.error == .unknownCommand(version: 3, kind: 18))
        #expect(driver.apply(.downgrade, []).error == .malformed(offset: 0))
        #expect(driver.apply(.downgrade, [1]).error == .malformed(offset: 1))
        #expect(driver.apply(.downgrade, [1, 0xFF]).error == .malformed(offset: 1))
        #expect(driver.apply(.downgrade, [2, 0]).error == .malformed(offset: 1))
    }
}
