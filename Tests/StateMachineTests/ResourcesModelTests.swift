import Primitives
import StateMachine
import Testing

/// Resources once more, point by point.
private struct PointModel: Equatable {
    var amounts: [String: Int64] = [:]
    var points: Set<String> = []

    init(_ resources: Resources) {
        for entry in resources.entries {
            var kind = entry
            kind.value = .scalar(0)
            kind.copies = 1
            let disk = kind.disk.map { "\($0)" } ?? ""
            let key = "\(kind.name)|\(kind.reservations)|\(disk)|\(kind.isShared)"
            switch entry.value {
            case .scalar(let amount):
                if entry.isIndivisible {
                    amounts["\(key)|\(amount)", default: 0] += entry.copies
                } else {
                    amounts[key, default: 0] += amount
                }
            case .ranges(let ranges):
                for range in ranges.ranges {
                    for point in range { points.insert("\(key)|\(point)") }
                }
            case .items(let items):
                for item in items { points.insert("\(key)|\(item)") }
            }
        }
    }

    mutating func add(_ other: PointModel) {
        for (key, amount) in other.amounts { amounts[key, default: 0] += amount }
        points.formUnion(other.points)
    }

    mutating func subtract(_ other: PointModel) {
        for (key, amount) in other.amounts {
            amounts[key] = max(0, (amounts[key] ?? 0) - amount)
            if amounts[key] == 0 { amounts[key] = nil }
        }
        points.subtract(other.points)
    }

    func contains(_ other: PointModel) -> Bool {
        other.points.isSubset(of: points)
            && other.amounts.allSatisfy { (amounts[$0.key] ?? 0) >= $0.value }
    }
}

@Suite("Resources: random ones beside a model of single points")
struct ResourcesModelTests {
    static func draw(_ random: inout SplitMix64) -> Resources {
        func below(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }
        let stacks: [[Reservation]] = [
            [], [], [Reservation(.fixed, role: "a")], [Reservation(.dynamic, role: "a")],
            [Reservation(.fixed, role: "a"), Reservation(.dynamic, role: "a/x", principal: "p")],
        ]
        var entries: [ResourceEntry] = []
        for _ in 0..<below(6) {
            let stack = stacks[below(5)]
            switch below(5) {
            case 0, 1:
                let name: ByteText = ["cpus", "mem"][below(2)]
                entries.append(
                    ResourceEntry(name, .scalar(Int64(below(4)) * 500), reservations: stack))
            case 2:
                let pairs = (0..<below(4)).map { _ in
                    let begin = UInt64(below(12))
                    return (begin: begin, end: begin + UInt64(below(4)))
                }
                guard let ranges = try? ResourceRanges(pairs) else { continue }
                entries.append(ResourceEntry("ports", .ranges(ranges), reservations: stack))
            case 3:
                let items: [ByteText] = ["a", "b", "c", "d"].filter { _ in below(2) == 0 }
                entries.append(ResourceEntry("zone", .items(items), reservations: stack))
            default:
                let disk = DiskInformation(
                    persistence: below(2) == 0 ? .init(id: ["v", "w"][below(2)]) : nil,
                    containerPath: below(2) == 0 ? "p" : nil, opaque: below(3) == 0 ? [7] : [])
                let isVolume = disk.persistence != nil
                entries.append(
                    ResourceEntry(
                        "disk", .scalar(Int64(1 + below(2)) * 1_000),
                        reservations: isVolume ? [Reservation(.dynamic, role: "a")] : stack,
                        disk: disk, isShared: isVolume && below(2) == 0))
            }
        }
        do { return try Resources(entries) } catch {
            Issue.record("\(entries): \(error)")
            return .empty
        }
    }

    @Test("sums, differences and containment are those of the points", arguments: 0..<UInt64(10))
    func arithmetic(block: UInt64) throws {
        var random = SplitMix64(seed: block)
        var contained = 0
        for _ in 0..<600 {
            let one = Self.draw(&random)
            let two = Self.draw(&random)
            var sum = PointModel(one)
            sum.add(PointModel(two))
            let added = try one + two
            added.checkInvariants()
            #expect(PointModel(added) == sum)
            #expect(added == (try two + one))
            var rest = PointModel(one)
            rest.subtract(PointModel(two))
            let left = one.subtractingWhatIsThere(two)
            left.checkInvariants()
            #expect(PointModel(left) == rest)
            let holds = PointModel(one).contains(PointModel(two))
            #expect(one.contains(two) == holds, "\(one) and \(two)")
            #expect((one - two) == (holds ? left : nil))
            #expect(added.contains(one) && added.contains(two))
            if holds, !two.isEmpty { contained += 1 }
            let scalars = one.scalarQuantities
            scalars.checkInvariants()
            #expect(scalars["cpus"] == one.cpus && scalars["disk"] == one.disk)
        }
        #expect(contained > 0, "too few pairs where one holds the other")
    }

    @Test("what is encoded is decoded, and equal values have equal bytes", arguments: 0..<UInt64(4))
    func coding(block: UInt64) throws {
        var random = SplitMix64(seed: 1_000 + block)
        for _ in 0..<500 {
            let one = Self.draw(&random)
            let bytes = one.encode()
            #expect(try Resources.decode(bytes) == one)
            #expect(bytes[0] == 1)
            let again = try Resources(one.entries.reversed())
            #expect(again.encode() == bytes)
        }
    }

    @Test("no bytes trap, and what is taken is what would be written", arguments: 0..<UInt64(4))
    func garbage(block: UInt64) throws {
        var random = SplitMix64(seed: 2_000 + block)
        var taken = 0
        for _ in 0..<2_000 {
            var bytes = Self.draw(&random).encode()
            for _ in 0...random.next(below: 3) {
                switch random.next(below: 4) {
                case 0: bytes.removeLast(Int(random.next(below: UInt64(bytes.count + 1))))
                case 1: bytes.append(UInt8(truncatingIfNeeded: random.next()))
                default:
                    guard !bytes.isEmpty else { continue }
                    let place = Int(random.next(below: UInt64(bytes.count)))
                    bytes[place] = UInt8(truncatingIfNeeded: random.next())
                }
            }
            guard let read = try? Resources.decode(bytes) else { continue }
            read.checkInvariants()
            #expect(read.encode() == bytes)
            taken += 1
        }
        #expect(taken > 0)
    }

    @Test("a count that is a lie costs no memory")
    func lies() {
        #expect(throws: ResourcesError.unknownVersion(2)) { try Resources.decode([2, 0, 0]) }
        #expect(throws: ResourcesError.tooManyEntries(limit: ResourceLimits.entriesMax)) {
            try Resources.decode([1, 0xFF, 0xFF])
        }
        #expect(throws: ResourcesError.notCanonical) { try Resources.decode([1, 0, 0, 0]) }
    }
}
