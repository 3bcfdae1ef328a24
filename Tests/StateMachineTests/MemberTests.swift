import Primitives
import StateMachine
import Testing

@Suite("Members as the cluster has agreed on them (DESIGN §6, §9)")
struct MemberTests {
    let driver = StoreDriver()

    private func attributes(_ id: UInt64, _ name: String, started: Bool) -> MemberAttributes {
        MemberAttributes(
            member: NodeID(id), name: name, clientURLs: started ? ["http://\(name):1"] : [],
            peerURLs: ["http://\(name):2"], version: started ? "3.7.0" : "")
    }

    private func found() {
        let first = [1, 2, 3].map { attributes(UInt64($0), "n\($0)", started: false) }
        driver.apply(.memberFoundation, MemberCommand.foundation(first))
    }

    private func add(_ role: MemberRole = .joining, _ urls: String...) -> Applied {
        driver.apply(.memberAddition, MemberCommand.addition(as: role, peerURLs: urls))
    }

    private func member(_ applied: Applied) -> NodeID? {
        if case .member(let id) = applied.outcome { id } else { nil }
    }

    @Test("the first members are voters, and what one of them has published stays")
    func foundation() {
        driver.apply(.memberAttributes, attributes(2, "n2", started: true).encode())
        found()
        #expect(driver.store.members.voters == [NodeID(1), NodeID(2), NodeID(3)])
        #expect(driver.store.members[NodeID(2)]?.clientURLs == ["http://n2:1"])
        #expect(driver.store.members[NodeID(1)]?.hasStarted == false)
        #expect(driver.store.revision == Revision(1))
    }

    @Test("a new member gets an id of its own, alike on every node, and joins before it votes")
    func addition() throws {
        found()
        let one = try #require(member(add(.joining, "http://n4:2")))
        let two = try #require(member(add(.learner, "http://n5:2")))
        #expect(one != two && one != .none)
        #expect(driver.store.members[one]?.role == .joining)
        #expect(driver.store.members[two]?.role == .learner)
        #expect(driver.store.members.voters.count == 3)
        let other = Store()
        for entry in driver.log { _ = other.apply(entry) }
        #expect(other.members == driver.store.members && other.digest == driver.store.digest)
        #expect(try driver.reloaded().members == driver.store.members)
    }

    @Test("an address belongs to one member")
    func addresses() throws {
        found()
        #expect(add(.joining, "http://n4:2", "http://n1:2").error == .peerURLExists)
        let id = try #require(member(add(.joining, "http://n4:2")))
        let taken = driver.apply(
            .memberUpdate, MemberCommand.update(id, peerURLs: ["http://n2:2"]))
        #expect(taken.error == .peerURLExists)
        driver.apply(
            .memberUpdate, MemberCommand.update(id, peerURLs: ["http://n4:3", "http://n4:2"]))
        #expect(driver.store.members[id]?.peerURLs == ["http://n4:3", "http://n4:2"])
        // What the member itself publishes moves it nowhere.
        var published = attributes(id.rawValue, "n4", started: true)
        published.peerURLs = ["http://elsewhere:2"]
        driver.apply(.memberAttributes, published.encode())
        #expect(driver.store.members[id]?.peerURLs == ["http://n4:3", "http://n4:2"])
        #expect(driver.store.members[id]?.name == "n4")
    }

    @Test("only a learner is promoted by request, and a joining member as such")
    func promotion() throws {
        found()
        let learner = try #require(member(add(.learner, "http://n4:2")))
        let joining = try #require(member(add(.joining, "http://n5:2")))
        func promote(_ id: NodeID, from role: MemberRole) -> Applied {
            driver.apply(.memberPromotion, MemberCommand.promotion(id, from: role))
        }
        #expect(promote(joining, from: .learner).error == .memberNotLearner)
        #expect(promote(NodeID(1), from: .learner).error == .memberNotLearner)
        #expect(promote(NodeID(99), from: .learner).error == .memberNotFound)
        #expect(promote(learner, from: .learner).error == nil)
        #expect(promote(joining, from: .joining).error == nil)
        #expect(driver.store.members.voters.count == 5)
    }

    @Test("a removed id never comes back, and the last voter stays")
    func removal() throws {
        found()
        func remove(_ id: UInt64) -> Applied {
            driver.apply(.memberRemoval, MemberCommand.removal(NodeID(id)))
        }
        #expect(remove(9).error == .memberNotFound)
        #expect(remove(1).error == nil)
        #expect(remove(1).error == .memberNotFound)
        found()
        #expect(driver.store.members[NodeID(1)] == nil)
        #expect(remove(2).error == nil)
        #expect(remove(3).error == .noVoterLeft)
        #expect(
            StoreError.noVoterLeft.message
                == "etcdserver: re-configuration failed due to not enough started members")
        #expect(driver.store.members.voters == [NodeID(3)])
    }

    @Test("what an entry says of members is foreseen without being applied")
    func foreseen() throws {
        found()
        var table = MemberTable()
        let id = try #require(member(add(.joining, "http://n4:2")))
        driver.apply(.memberRemoval, MemberCommand.removal(NodeID(2)))
        for entry in driver.log { table.foresee(entry) }
        #expect(table[id]?.peerURLs == ["http://n4:2"])
        #expect(table[NodeID(2)]?.peerURLs == ["http://n2:2"])
    }

    @Test("bodies that are cut off or too long are refused and change nothing")
    func malformed() {
        found()
        let before = driver.store.members
        let bodies: [(CommandKind, [UInt8])] = [
            (.memberAddition, MemberCommand.addition(as: .joining, peerURLs: ["http://n4:2"])),
            (.memberUpdate, MemberCommand.update(NodeID(1), peerURLs: ["http://n4:2"])),
            (.memberPromotion, MemberCommand.promotion(NodeID(1), from: .learner)),
            (.memberRemoval, MemberCommand.removal(NodeID(1))),
            (.memberRejoin, MemberCommand.rejoin(NodeID(1), name: "n1", peerURLs: ["http://n1:2"])),
            (.memberSuccession, MemberCommand.succession(of: NodeID(1), by: NodeID(2))),
            (.memberFoundation, MemberCommand.foundation([attributes(8, "n8", started: true)])),
            (.memberAttributes, attributes(8, "n8", started: true).encode()),
        ]
        for (kind, body) in bodies {
            for count in 0..<body.count {
                let applied = driver.apply(kind, Array(body[..<count]))
                #expect(applied.error != nil, "\(kind), \(count) bytes")
            }
            #expect(driver.apply(kind, body + [0]).error != nil, "\(kind)")
        }
        #expect(driver.store.members == before)
    }
}
