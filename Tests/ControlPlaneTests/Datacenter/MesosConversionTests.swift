import API
import ControlPlane
import Foundation
import Scheduling
import StateMachine
import Testing

@Suite("Mesos conversion: resources (Mesos, docs/reservation.md)")
struct MesosConversionTests {
    private static let texts = [
        "cpus:1.5;mem:1024;ports:[1-5,10-20];tags:{a,b}", "cpus(eng):1;cpus:2;disk(eng):100",
    ]

    @Test(
        "resources come back from their messages as they were",
        arguments: texts, [MesosConversion.ReservationFormat.refined, .roles, .both])
    func roundTrip(_ text: String, _ format: MesosConversion.ReservationFormat) throws {
        let resources = try ResourcesParser.parse(text)
        let messages = MesosConversion.messages(resources, allocatedTo: "eng", format)
        #expect(try MesosConversion.resources(messages) == resources)
        #expect(messages.allSatisfy { $0.allocationInfo.role == "eng" })
    }

    @Test("a persistent volume with labels and a source comes back as it was")
    func volume() throws {
        let entry = ResourceEntry(
            "disk", .scalar(5_000),
            reservations: [
                Reservation(.fixed, role: "a"),
                Reservation(
                    .dynamic, role: "a/b", principal: "p",
                    labels: [.init(key: "k", value: "v"), .init(key: "l", value: nil)]),
            ],
            disk: DiskInformation(
                persistence: .init(id: "v1", principal: "p"), containerPath: "data",
                mode: .readOnly, opaque: []), isShared: true, copies: 2)
        let resources = try Resources([entry])
        let messages = MesosConversion.messages(resources)
        #expect(messages.count == 2)
        #expect(messages[0].reservations.map(\.role) == ["a", "a/b"])
        #expect(messages[0].disk.persistence.id == "v1")
        #expect(try MesosConversion.resources(messages) == resources)
    }

    @Test("a task that is unreachable is told from one that is lost by the time since when")
    func unreachableSince() {
        let key = TaskKey(FrameworkID("f"), TaskID("t"))
        var update = TaskUpdate(key: key, state: .lost, cause: .reconciliation)
        #expect(!MesosConversion.status(update, now: 5).hasUnreachableTime)
        update.unreachableSince = 1_700_000_000_123
        let told = MesosConversion.status(update, now: 5)
        #expect(told.unreachableTime.nanoseconds / 1_000_000 == 1_700_000_000_123)
        #expect(told.reason == .reconciliation && told.state == .taskLost)
        update = TaskUpdate(key: key, state: .lost, cause: .agentUnreachable)
        #expect(MesosConversion.status(update, now: 5).unreachableTime.nanoseconds == 5_000_000_000)
    }

    private static func scalar(_ name: String, _ value: Double) -> MesosResource {
        var resource = MesosResource()
        resource.name = name
        resource.type = .scalar
        resource.scalar.value = value
        return resource
    }

    @Test("what is no resource is refused", arguments: 0..<9)
    func refused(_ number: Int) {
        var resource = Self.scalar("disk", 1)
        switch number {
        case 0: resource.scalar.value = -1
        case 1: resource.scalar.value = .nan
        case 2: resource.scalar.value = 1e300
        case 3: resource.clearScalar()
        case 4: resource.type = .text
        case 5: resource.revocable = .init()
        case 6: resource.reservation.principal = "p"
        case 7: resource.name = "a b"
        default:
            resource.type = .ranges
            resource.ranges.range = [MesosValue.Range()]
            resource.ranges.range[0].begin = 5
            resource.ranges.range[0].end = 4
        }
        #expect(throws: MesosConversionError.self) {
            try MesosConversion.resources([resource])
        }
    }

    @Test("a refusal lasts 5 s where nothing or nonsense is said, and a year at most")
    func filters() throws {
        var call = MesosSchedulerCall()
        call.type = .decline
        func milliseconds() -> UInt64? {
            guard case .decline(_, let milliseconds) = MesosConversion.call(call) else {
                return nil
            }
            return milliseconds
        }
        #expect(milliseconds() == 5_000)
        call.decline.filters.refuseSeconds = -1
        #expect(milliseconds() == 5_000)
        call.decline.filters.refuseSeconds = .nan
        #expect(milliseconds() == 5_000)
        call.decline.filters.refuseSeconds = 0
        #expect(milliseconds() == 0)
        call.decline.filters.refuseSeconds = 1e300
        #expect(milliseconds() == 365 * 86_400_000)
    }

    @Test("a group of tasks is launched whole, or each is told why not")
    func group() throws {
        var operation = MesosOffer.Operation()
        operation.type = .launchGroup
        operation.launchGroup.executor.executorID.value = "e"
        operation.launchGroup.executor.type = .default
        operation.launchGroup.executor.resources = [Self.scalar("cpus", 0.1)]
        let agent = AgentID("a")
        var id = MesosAgentID()
        id.value = "a"
        operation.launchGroup.taskGroup.tasks = ["t", "u"].map {
            WireScheduler.task($0, on: id)
        }
        let context = AcceptContext(framework: FrameworkID("f"), agent: agent, role: "*")
        let good = MesosConversion.operations([operation], context).operations
        guard case .launchGroup(let tasks)? = good.first else {
            Issue.record("no group: \(good)")
            return
        }
        #expect(tasks.map(\.resources.cpus) == [1_100, 1_000])
        operation.launchGroup.taskGroup.tasks[1].resources = []
        let bad = MesosConversion.operations([operation], context).operations
        let reason = "Task group is invalid: Task uses no resources"
        #expect(bad == [.invalid(TaskID("t"), reason), .invalid(TaskID("u"), reason)])
    }

    @Test("an executor that differs from one of its id is refused")
    func executor() throws {
        var id = MesosAgentID()
        id.value = "a"
        var task = WireScheduler.task("t", on: id)
        task.clearCommand()
        task.executor.executorID.value = "e"
        task.executor.command.value = "run"
        var operation = MesosOffer.Operation()
        operation.type = .launch
        operation.launch.taskInfos = [task]
        var context = AcceptContext(
            framework: FrameworkID("f"), agent: AgentID("a"), role: "*")
        guard
            case .launch(let launch)? = MesosConversion.operations([operation], context)
                .operations.first
        else {
            Issue.record("not launched")
            return
        }
        let executor = try #require(launch.executor)
        context.executors = [executor.id: executor.info]
        let same = MesosConversion.operations([operation], context).operations
        #expect(same == [.launch(launch)])
        operation.launch.taskInfos[0].executor.command.value = "other"
        let other = MesosConversion.operations([operation], context).operations
        guard case .invalid(_, let reason)? = other.first else {
            Issue.record("\(other)")
            return
        }
        #expect(reason.contains("not compatible"))
    }
}
