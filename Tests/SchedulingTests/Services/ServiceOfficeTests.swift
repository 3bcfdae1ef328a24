import Primitives
import Scheduling
import StateMachine
import Testing

@Suite("Office of the services' scheduler: when there is one, and whom an answer is for")
struct ServiceOfficeTests {
    private let table: DatacenterTable

    init() {
        let cluster = ServiceCluster()
        cluster.put(ServiceCluster.service("/web"))
        table = cluster.table
    }

    private func tick(_ office: inout ServiceOffice, _ table: DatacenterTable) -> Bool {
        office.tick(
            now: 1_000, clusterTime: 1_000, level: .newest, table: table,
            settings: ServiceSchedulerSettings(), traits: ServiceCluster.traits)
    }

    private func drain(_ office: inout ServiceOffice) -> [ServiceSchedulerEffect] {
        var found: [ServiceSchedulerEffect] = []
        while let effects = office.next(in: table) { found += effects }
        return found
    }

    @Test("there is a scheduler from the first record of services on, and not before")
    func beginning() {
        var office = ServiceOffice()
        let isDue = tick(&office, DatacenterTable())
        #expect(!isDue && office.scheduler == nil)
        let isDueThen = tick(&office, table)
        #expect(isDueThen && office.scheduler != nil)
    }

    @Test("what comes back from before it resigned reaches nobody")
    func lives() {
        var office = ServiceOffice()
        _ = tick(&office, table)
        let effects = drain(&office)
        guard case .propose(let id, _)? = effects.first else {
            Issue.record("nothing is proposed: \(effects)")
            return
        }
        let life = office.life
        let stream = office.subscribe()
        office.resign()
        #expect(office.scheduler == nil)
        _ = tick(&office, table)
        _ = drain(&office)
        let own = office.subscribe()
        let due = [
            office.decided(id, .unknown, in: life),
            office.heard(.subscribed(ServiceFramework.id), on: stream),
            office.heard(.subscribed(ServiceFramework.id), on: own),
        ]
        #expect(due == [false, false, true])
    }

    @Test("what is said on an earlier stream counts no more")
    func streams() {
        var office = ServiceOffice()
        _ = tick(&office, table)
        _ = drain(&office)
        let first = office.subscribe()
        let second = office.subscribe()
        let isDue = [office.heard(nil, on: first), office.heard(nil, on: second)]
        #expect(isDue == [false, true])
    }

    @Test("what happens while a step is performed has its turn after it")
    func order() {
        var office = ServiceOffice()
        _ = tick(&office, table)
        let first = office.next(in: table)
        #expect(first?.isEmpty == false)
        let mayStepWithin = office.applied([])
        let second = office.next(in: table)
        let third = office.next(in: table)
        #expect(!mayStepWithin && second == [] && third == nil)
        let mayStepAfter = office.applied([])
        #expect(mayStepAfter)
    }

    @Test("what waits when it resigns is dropped")
    func dropped() {
        var office = ServiceOffice()
        _ = tick(&office, table)
        office.resign()
        let effects = office.next(in: table)
        #expect(effects == nil)
    }
}
