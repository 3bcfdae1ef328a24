import Primitives
import StateMachine
import Testing

@Suite("A member's place that is given anew (decision 0010)")
struct ReplacementTests {
    private let driver = StoreDriver()

    private func attributes(_ id: UInt64, _ name: String) -> MemberAttributes {
        MemberAttributes(
            member: NodeID(id), name: name, clientURLs: ["http://\(name):1"],
            peerURLs: ["http://\(name):2"], version: "3.7.0", boot: BootNumber(1))
    }

    init() {
        let first = (1...3).map { attributes(UInt64($0), "n\($0)") }
        driver.apply(.memberFoundation, MemberCommand.foundation(first))
    }

    private func rejoin(
        _ id: UInt64, as name: String = "n2", at urls: [String] = ["http://n2:2"]
    ) -> Applied {
        driver.apply(
            .memberRejoin, MemberCommand.rejoin(NodeID(id), name: name, peerURLs: urls))
    }

    private func member(_ applied: Applied) throws -> NodeID {
        guard case .member(let id) = applied.outcome else { throw Missing() }
        return id
    }

    private struct Missing: Error {}

    @Test("the old id goes for ever, and one that has not started is found at its URLs")
    func replaced() throws {
        let place = try member(rejoin(2))
        let record = try #require(driver.store.members[place])
        #expect(driver.store.members[NodeID(2)] == nil)
        #expect(driver.store.members.isRemoved(NodeID(2)))
        #expect(record.role == .joining && !record.hasStarted && record.boot == .zero)
        #expect(record.name == "n2" && record.peerURLs == ["http://n2:2"])
        #expect(driver.store.members.voters == [NodeID(1), NodeID(3)])
        // What the old one says of itself from now on counts no more.
        #expect(
            driver.apply(.memberAttributes, attributes(2, "n2").encode()).error == .memberNotFound)
        let other = Store()
        for entry in driver.log { _ = other.apply(entry) }
        #expect(other.members == driver.store.members && other.digest == driver.store.digest)
        #expect(try driver.reloaded().members == driver.store.members)
    }

    @Test("asked twice, the place is given once")
    func twice() throws {
        let place = try member(rejoin(2))
        let after = driver.store.members
        #expect(try member(rejoin(2)) == place)
        #expect(driver.store.members == after)
        #expect(rejoin(2, as: "n9").error == .memberNotFound)
        #expect(rejoin(9).error == .memberNotFound)
    }

    @Test("only who has the member's name and all of its URLs gets its place")
    func others() {
        let before = driver.store.members
        #expect(rejoin(2, as: "n3").error == .memberDiffers)
        #expect(rejoin(2, at: ["http://n3:2"]).error == .memberDiffers)
        #expect(rejoin(2, at: ["http://n2:2", "http://n4:2"]).error == .memberDiffers)
        #expect(rejoin(2, at: []).error == .memberDiffers)
        #expect(driver.store.members == before)
    }

    @Test("one place at a time, and the last voter's never")
    func oneAtATime() throws {
        let place = try member(rejoin(2))
        #expect(rejoin(3, as: "n3", at: ["http://n3:2"]).error == .memberJoining)
        // The one that is joining may lose its disk, too.
        let next = try member(rejoin(place.rawValue))
        #expect(driver.store.members.records.count == 3)
        driver.apply(.memberPromotion, MemberCommand.promotion(next, from: .joining))
        _ = try member(rejoin(3, as: "n3", at: ["http://n3:2"]))
        driver.apply(.memberRemoval, MemberCommand.removal(next))
        #expect(driver.store.members.voters == [NodeID(1)])
        let joining = try #require(driver.store.members.records.first { $0.role == .joining })
        driver.apply(.memberRemoval, MemberCommand.removal(joining.id))
        #expect(rejoin(1, as: "n1", at: ["http://n1:2"]).error == .noVoterLeft)
    }

    @Test("a learner's place is a learner's")
    func learner() throws {
        let id = try member(
            driver.apply(
                .memberAddition, MemberCommand.addition(as: .learner, peerURLs: ["http://n4:2"])))
        let place = try member(rejoin(id.rawValue, as: "n4", at: ["http://n4:2"]))
        #expect(driver.store.members[place]?.role == .learner)
    }

    @Test("a learner that has started follows a voter, and as many vote as before")
    func succession() throws {
        let id = try member(
            driver.apply(
                .memberAddition, MemberCommand.addition(as: .learner, peerURLs: ["http://n4:2"])))
        func succeed(_ dead: UInt64, _ learner: NodeID) -> Applied {
            driver.apply(
                .memberSuccession, MemberCommand.succession(of: NodeID(dead), by: learner))
        }
        #expect(succeed(2, id).error == .memberNotLearner)
        driver.apply(.memberAttributes, attributes(id.rawValue, "n4").encode())
        #expect(succeed(9, id).error == .memberNotFound)
        #expect(succeed(2, NodeID(3)).error == .memberNotLearner)
        #expect(succeed(id.rawValue, id).error == .memberNotLearner)
        #expect(try member(succeed(2, id)) == id)
        #expect(driver.store.members.voters.sorted() == [NodeID(1), NodeID(3), id].sorted())
        #expect(driver.store.members.isRemoved(NodeID(2)))
        #expect(succeed(2, id).error == .memberNotFound)
    }

    @Test("an entry that is perhaps never committed lets both be found")
    func foreseen() throws {
        var table = driver.store.members
        let place = try member(rejoin(2))
        table.foresee(try #require(driver.log.last))
        #expect(table[NodeID(2)]?.peerURLs == ["http://n2:2"])
        #expect(table[place]?.peerURLs == ["http://n2:2"])
    }

    @Test("a build of level 2 stops before such an entry")
    func level() throws {
        for (kind, body) in [
            (CommandKind.memberRejoin, MemberCommand.rejoin(NodeID(2), name: "n2", peerURLs: [])),
            (.memberSuccession, MemberCommand.succession(of: NodeID(2), by: NodeID(3))),
        ] {
            let older = Store(known: FeatureLevel(2))
            let header = CommandHeader(
                kind: kind,
                request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: 1))
            let entry = LogEntry(
                index: LogIndex(1), term: Term(1), kind: .command,
                payload: Command.encode(header, body: body))
            #expect(older.apply(entry).mustStop)
            #expect(older.appliedIndex == .zero)
            #expect(kind.level == .replacement)
        }
    }
}
