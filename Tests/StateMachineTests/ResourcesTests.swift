import StateMachine
import Testing

func resources(_ text: String) -> Resources {
    do { return try ResourcesParser.parse(text) } catch {
        Issue.record("\(text): \(error)")
        return .empty
    }
}

@Suite("Resources: arithmetic (Mesos, docs/attributes-resources.md)")
struct ResourcesTests {
    static let dynamic = Reservation(.dynamic, role: "a", principal: "p")

    static func volume(_ id: ByteText, isShared: Bool = false) -> ResourceEntry {
        ResourceEntry(
            "disk", .scalar(5_000), reservations: [dynamic],
            disk: DiskInformation(persistence: .init(id: id), containerPath: "path"),
            isShared: isShared)
    }

    @Test("entries are joined, sorted, and dropped where they are empty")
    func normalised() throws {
        let one = resources("mem:1;cpus:1;cpus:0.5;gpus:0;ports:[3-4,1-2];zone:{b,a};keys:{}")
        #expect(one == resources("cpus:1.5;mem:1;ports:[1-4];zone:{a,b}"))
        one.checkInvariants()
        #expect(one.entries.map { $0.name } == ["cpus", "mem", "ports", "zone"])
        #expect(Resources.empty.isEmpty && resources("cpus:0").isEmpty)
    }

    @Test("what was added can be taken away, and only that")
    func addAndSubtract() throws {
        let one = resources("cpus:1;mem:10;ports:[1-10];zone:{a}")
        let two = resources("cpus:2;ports:[11-12,20-20];zone:{b};cpus(r):1")
        let sum = try one + two
        #expect(sum == resources("cpus:3;cpus(r):1;mem:10;ports:[1-12,20-20];zone:{a,b}"))
        #expect(sum - two == one)
        #expect(sum - one == two)
        #expect(one - two == nil)
        #expect(one - resources("cpus:1.001") == nil)
        #expect(one - resources("ports:[10-11]") == nil)
        #expect(one - resources("cpus(r):1") == nil)
        #expect(one.subtractingWhatIsThere(two) == resources("mem:10;ports:[1-10];zone:{a}"))
    }

    @Test("reservations of other roles, kinds, principals and labels are kept apart")
    func apart() throws {
        let stacks: [[Reservation]] = [
            [], [Reservation(.fixed, role: "a")], [Reservation(.fixed, role: "b")],
            [Reservation(.dynamic, role: "a")], [Reservation(.dynamic, role: "a", principal: "p")],
            [Reservation(.dynamic, role: "a", labels: [.init(key: "k", value: "v")])],
            [Reservation(.dynamic, role: "a", labels: [.init(key: "k", value: nil)])],
            [Reservation(.fixed, role: "a"), Reservation(.dynamic, role: "a/x")],
        ]
        let all = try Resources(
            stacks.map { ResourceEntry("cpus", .scalar(1_000), reservations: $0) })
        #expect(all.entries.count == stacks.count && all.cpus == 8_000)
        #expect(all.reserved(to: "a").cpus == 5_000)
        #expect(all.reserved(to: "a/x").cpus == 1_000)
        #expect(all.unreserved == resources("cpus:1"))
        #expect(all.allocatable(to: "a/x").cpus == 7_000)
        #expect(all.allocatable(to: "ab").cpus == 1_000)
        #expect(try all.flattened == resources("cpus:8"))
        #expect(all.withoutRefined.cpus == 7_000)
    }

    @Test("labels in another order are the same reservation")
    func labels() {
        let one = Reservation.Label(key: "a", value: "1")
        let two = Reservation.Label(key: "b", value: nil)
        #expect(
            Reservation(.dynamic, role: "r", labels: [one, two])
                == Reservation(.dynamic, role: "r", labels: [two, one]))
    }

    @Test("volumes are taken whole, and counted, not added up")
    func volumes() throws {
        let one = try Resources([Self.volume("v"), Self.volume("w")])
        #expect(one.entries.count == 2 && one.disk == 10_000)
        var half = Self.volume("v")
        half.value = .scalar(2_500)
        #expect(one - (try Resources([half])) == nil)
        #expect(one - (try Resources([Self.volume("v")])) == (try Resources([Self.volume("w")])))
        let shared = try Resources([Self.volume("s", isShared: true)])
        let twice = try shared + shared
        #expect(twice.entries.count == 1 && twice.entries[0].copies == 2)
        #expect(twice - shared == shared && shared - twice == nil)
    }

    @Test("sums have a limit, and say so")
    func overflow() throws {
        let most = try Resources([ResourceEntry("cpus", .scalar(ResourceLimits.amountMax))])
        #expect(throws: ResourcesError.amountTooLarge) { try most + resources("cpus:0.001") }
        #expect(throws: ResourcesError.amountTooLarge) {
            try Resources([ResourceEntry("cpus", .scalar(ResourceLimits.amountMax + 1))])
        }
    }

    @Test("ranges go up to the last integer")
    func rangeEnds() throws {
        let all = try ResourceRanges([(0, .max)])
        #expect(all.count == .max)
        let rest = all.subtracting(try ResourceRanges([(0, 0), (.max, .max)]))
        #expect(rest.ranges == [1...(UInt64.max - 1)])
        #expect(try rest.union(ResourceRanges([(0, 0), (.max, .max)])) == all)
        #expect(throws: ResourcesError.backwardRange(begin: 2, end: 1)) {
            try ResourceRanges([(2, 1)])
        }
        let common = try ResourceRanges([(1, 5), (8, 9)]).intersection(ResourceRanges([(5, 8)]))
        #expect(common.ranges == [5...5, 8...8])
    }

    @Test("numbers of the wire are rounded to thousandths in one place, or refused")
    func thousandths() throws {
        #expect(try Thousandths.amount(0.1) == 100)
        #expect(try Thousandths.amount(0.0005) == 1)
        #expect(try Thousandths.amount(1.0004) == 1_000)
        #expect(try Thousandths.amount(1e10) == ResourceLimits.amountMax)
        for refused in [Double.nan, .infinity, -.infinity] {
            #expect(throws: ResourcesError.notFinite) { try Thousandths.amount(refused) }
        }
        #expect(throws: ResourcesError.negative) { try Thousandths.amount(-0.1) }
        #expect(throws: ResourcesError.amountTooLarge) { try Thousandths.amount(1.1e10) }
    }

    @Test("at most so much of an unreserved scalar passes; what is whole stays whole")
    func bounding() throws {
        let own = ResourceEntry("disk", .scalar(3_000), disk: DiskInformation(opaque: [1]))
        let all = try resources("cpus:4;cpus(r):2;mem:100;disk:2").adding(Resources([own]))
        let part = all.boundingUnreservedScalars { name in
            switch name {
            case "cpus": return 1_500
            case "disk": return 4_000
            default: return nil
            }
        }
        #expect(part == resources("cpus:1.5;cpus(r):2;mem:100;disk:2"))
        #expect(all.boundingUnreservedScalars { _ in -1 } == resources("cpus(r):2"))
    }

    @Test("names, roles and stacks that Mesos refuses are refused")
    func validation() {
        func entry(_ name: ByteText, _ stack: [Reservation] = []) -> ResourceEntry {
            ResourceEntry(name, .scalar(1), reservations: stack)
        }
        for name: ByteText in ["", "a b", "a;b", "a:b", "a(b)"] {
            #expect(throws: ResourcesError.invalidName(name)) { try entry(name).validate() }
        }
        for role: ByteText in ["", "*", ".", "..", "-a", "a/", "/a", "a//b", "a/..", "a b", "a/*"] {
            #expect(throws: ResourcesError.invalidRole(role)) {
                try entry("cpus", [Reservation(.dynamic, role: role)]).validate()
            }
        }
        #expect(throws: ResourcesError.notARefinement("ab", of: "a")) {
            let stack = [Reservation(.fixed, role: "a"), Reservation(.dynamic, role: "ab")]
            try entry("cpus", stack).validate()
        }
        #expect(throws: ResourcesError.staticRefinement("a/b")) {
            let stack = [Reservation(.fixed, role: "a"), Reservation(.fixed, role: "a/b")]
            try entry("cpus", stack).validate()
        }
        #expect(throws: ResourcesError.negative) {
            try ResourceEntry("cpus", .scalar(-1)).validate()
        }
        #expect(throws: ResourcesError.sharedWithoutVolume("cpus")) {
            try ResourceEntry("cpus", .scalar(1), isShared: true).validate()
        }
        #expect(throws: ResourcesError.diskInformationOnOther("mem")) {
            let disk = DiskInformation(opaque: [1])
            try ResourceEntry("mem", .scalar(1), disk: disk).validate()
        }
        #expect(throws: ResourcesError.volumeNotReserved("v")) {
            var volume = Self.volume("v")
            volume.reservations = []
            try volume.validate()
        }
    }

    @Test("texts are told apart by bytes, not by how they look")
    func bytes() {
        let composed = ByteText("\u{E9}")
        let decomposed = ByteText("e\u{301}")
        #expect(composed != decomposed && (composed < decomposed) != (decomposed < composed))
        #expect(ByteText("eng").isAncestorRole(of: "eng/dev"))
        #expect(!ByteText("eng").isAncestorRole(of: "engine"))
        #expect(!ByteText("eng").isAncestorRole(of: "eng"))
        #expect(ByteText("a/b/c").topLevelRole == "a" && ByteText("a/b/c").parentRole == "a/b")
    }
}
