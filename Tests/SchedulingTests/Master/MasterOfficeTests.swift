import Primitives
import Scheduling
import StateMachine
import Testing

@Suite("Master's office: taken, given up, and one step after the other")
struct MasterOfficeTests {
    private static let reading = RecordReading(
        agent: { AllocatorAgent(total: $0.total) }, constraints: { _ in [] })

    private func take(
        _ office: inout MasterOffice, in term: Term?, clusterTime: UInt64? = 0
    ) -> Bool {
        office.take(
            in: term, clusterTime: clusterTime, now: 0, table: DatacenterTable(),
            settings: MasterSettings(), reading: Self.reading)
    }

    @Test("it is taken once in a term, by a node that may decide and knows the cluster's time")
    func taking() {
        var office = MasterOffice()
        let taken = [
            take(&office, in: nil), take(&office, in: Term(3), clusterTime: nil),
            take(&office, in: Term(3)), take(&office, in: Term(3)),
        ]
        #expect(taken == [false, false, true, false])
        #expect(office.master?.term == Term(3))
    }

    @Test("it goes with its term, and with the right to decide")
    func resigning() {
        var office = MasterOffice()
        var resigned = [office.resign(unlessIn: nil)]
        _ = take(&office, in: Term(3))
        resigned.append(office.resign(unlessIn: Term(3)))
        resigned.append(office.resign(unlessIn: Term(4)))
        #expect(office.master == nil)
        _ = take(&office, in: Term(4))
        resigned.append(office.resign(unlessIn: nil))
        #expect(resigned == [false, false, true, true])
    }

    @Test("what happens while a step is performed has its turn after it")
    func order() {
        var office = MasterOffice()
        _ = take(&office, in: Term(3))
        let stream = SchedulerStreamID(1)
        let subscription = Subscription(
            id: FrameworkID(""), newID: FrameworkID("f"), info: [], roles: ["*"])
        let table = DatacenterTable()
        let mayStep = office.add(.scheduler(stream, .subscribes(subscription)))
        let first = office.next(in: table)
        #expect(first == [.propose(DecisionID(1), .subscribe(subscription))])
        let mayStepWithin = office.add(.decided(DecisionID(1), .refused(nil)))
        let second = office.next(in: table)
        #expect(second?.last == .closeStream(stream))
        let third = office.next(in: table)
        #expect(third == nil)
        let mayStepAfter = office.add(.tick(now: 1, clusterTime: 1))
        #expect([mayStep, mayStepWithin, mayStepAfter] == [true, false, true])
    }

    @Test("without a master inputs come to nothing")
    func nobody() {
        var office = MasterOffice()
        _ = office.add(.scheduler(SchedulerStreamID(1), .disconnected))
        let effects = [office.next(in: DatacenterTable()), office.next(in: DatacenterTable())]
        #expect(effects == [[], nil])
    }
}
