import StateMachine
import Testing

@Suite("Resources: offer operations (Mesos, docs/reservation.md, docs/persistent-volume.md)")
struct ResourcesOperationTests {
    private let dynamic = Reservation(.dynamic, role: "a", principal: "p")

    private func reserved(_ amount: Int64, _ stack: [Reservation]) throws -> Resources {
        try Resources([ResourceEntry("disk", .scalar(amount), reservations: stack)])
    }

    private func volume(
        _ id: ByteText, _ amount: Int64, isShared: Bool = false
    ) throws -> Resources {
        try Resources([
            ResourceEntry(
                "disk", .scalar(amount), reservations: [dynamic],
                disk: DiskInformation(persistence: .init(id: id), containerPath: "path"),
                isShared: isShared)
        ])
    }

    @Test("what is reserved comes from what is free, and goes back there")
    func reserve() throws {
        let all = resources("disk:10;cpus:1")
        let wanted = try reserved(4_000, [dynamic])
        let after = try all.reserving(wanted)
        #expect(after == (try resources("disk:6;cpus:1") + wanted))
        #expect(try after.unreserving(wanted) == all)
        #expect(throws: ResourcesError.notContained("disk")) {
            try all.reserving(reserved(10_001, [dynamic]))
        }
        #expect(throws: ResourcesError.notReserved("cpus")) {
            try all.reserving(resources("cpus:1"))
        }
    }

    @Test("a static reservation is refined and never taken back")
    func refine() throws {
        let fixed = Reservation(.fixed, role: "a")
        let all = try reserved(4_000, [fixed])
        let refined = try reserved(1_000, [fixed, Reservation(.dynamic, role: "a/x")])
        let after = try all.reserving(refined)
        #expect(after == (try reserved(3_000, [fixed]) + refined))
        #expect(try after.unreserving(refined) == all)
        #expect(throws: ResourcesError.notDynamicallyReserved("disk")) {
            try all.unreserving(all)
        }
        #expect(throws: ResourcesError.notDynamicallyReserved("disk")) {
            try resources("disk:4").reserving(all)
        }
    }

    @Test("a volume is made of reserved disk, once, and becomes disk again")
    func volumes() throws {
        let all = try reserved(10_000, [dynamic])
        let one = try volume("v", 4_000)
        let after = try all.creating(one)
        #expect(after == (try reserved(6_000, [dynamic]) + one))
        #expect(throws: ResourcesError.duplicateVolume("v")) {
            try after.creating(volume("v", 1_000))
        }
        #expect(throws: ResourcesError.isAVolume("v")) { try after.unreserving(one) }
        #expect(throws: ResourcesError.notContained("disk")) {
            try after.creating(volume("w", 6_001))
        }
        #expect(throws: ResourcesError.notContained("disk")) {
            try after.destroying(volume("v", 3_000))
        }
        #expect(try after.destroying(one) == all)
        #expect(throws: ResourcesError.notAVolume("disk")) { try all.destroying(all) }
        #expect(throws: ResourcesError.notAVolume("disk")) { try all.creating(all) }
    }

    @Test("a shared volume that somebody uses is not destroyed")
    func sharedVolume() throws {
        let shared = try volume("v", 4_000, isShared: true)
        let two = try shared + shared
        #expect(throws: ResourcesError.volumeInUse("v")) { try two.destroying(shared) }
        #expect(try shared.destroying(shared) == reserved(4_000, [dynamic]))
    }
}
