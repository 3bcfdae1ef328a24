import Primitives
import StateMachine
import Testing

@Suite("The datacenter's records: drawn histories")
struct DatacenterHistoryTests {
    @Test("records of which the books have no sum are refused", arguments: [1, 2])
    func overbooked(count: Int) throws {
        let most = try ResourcesParser.parse("cpus:9000000000")
        let agent = AgentRecord(
            id: AgentID("a1"), info: [], total: most, incarnation: 1, session: 1)
        let executors = (0..<count).map { number in
            ExecutorRecord(
                key: ExecutorKey(agent.id, FrameworkID("f1"), ExecutorID("e\(number)")), role: "*",
                resources: most, info: [], sequence: 1)
        }
        func table() throws -> DatacenterTable {
            try DatacenterTable { prefix, body in
                if prefix == RecordKeys.agents { agent.encode().withUnsafeBytes(body) }
                guard prefix == RecordKeys.executors else { return }
                for executor in executors { executor.encode().withUnsafeBytes(body) }
            }
        }
        if count == 1 {
            #expect(try table().agents[agent.id]?.used == most)
        } else {
            #expect(throws: StoreLoadError.self) { try table() }
        }
    }

    /// Masters that do anything, with what they know of now, of before, or of nothing.
    private struct Masters {
        var random: SplitMix64
        let master = DatacenterDriver()
        /// Every session that ever was.
        var sessions: [UInt64] = [0]
        /// Statuses that agents have sent, which may come again.
        var sent: [(AgentID, StatusReport)] = []
        var number: UInt64 = 0
        /// Names that have ended for good are followed by others.
        var generation = 0

        init(seed: UInt64) { random = SplitMix64(seed: seed) }

        mutating func draw(_ below: Int) -> Int { Int(random.next(below: UInt64(below))) }

        mutating func agent() -> AgentID { AgentID("a\(generation + draw(4))") }
        mutating func framework() -> FrameworkID { FrameworkID("f\(generation + draw(3))") }
        mutating func key() -> TaskKey { TaskKey(framework(), TaskID("t\(draw(12))")) }

        mutating func session(of id: AgentID) -> UInt64 {
            if draw(8) == 0 { return sessions[draw(sessions.count)] }
            return master.table.agents[id]?.record.session ?? 0
        }

        mutating func step() throws {
            master.driver.clock += UInt64(draw(1000))
            master.driver.clusterTime = (master.driver.clusterTime ?? 0) + UInt64(draw(1000))
            let applied = master.apply(try command())
            switch applied.outcome {
            case .datacenter(.agent(_, let session)), .datacenter(.framework(_, let session)):
                sessions.append(session)
            case .failed(.datacenter), .datacenter: break
            default: Issue.record("\(applied.outcome)")
            }
        }

        private mutating func command() throws -> DatacenterCommand {
            switch draw(20) {
            case 0, 1: return .registerAgent(try registration())
            case 2, 3: return .subscribe(subscription())
            case 4:
                let id = agent()
                return .agentUnreachable(id, session: session(of: id))
            case 5:
                return draw(4) == 0 ? .agentGone(agent(), byOperator: draw(2) == 0) : .time
            case 6:
                let id = framework()
                let session = master.table.frameworks[id]?.record.session ?? 0
                return .frameworkDisconnected(id, session: draw(4) == 0 ? 3 : session)
            case 7:
                return draw(3) == 0 ? .endFramework(framework(), session: UInt64(draw(2))) : .time
            case 8...11: return .launch(try launch())
            case 12...15: return report()
            case 16, 17:
                let key = key()
                let uuid = master.table.tasks[key]?.waiting.first?.uuid ?? []
                return .acknowledge(key, uuid: draw(4) == 0 ? bytes("?") : uuid)
            case 18: return .kill(key(), graceMilliseconds: UInt64(draw(5)))
            default: return other()
            }
        }

        private mutating func other() -> DatacenterCommand {
            let id = agent()
            switch draw(3) {
            case 0:
                let mode: [AgentRecord.Mode] = [.active, .active, .deactivated, .draining]
                return .agentMode(
                    id, mode[draw(4)], graceMilliseconds: 5, goneWhenDrained: draw(2) == 0)
            case 1:
                let executor = ExecutorKey(id, framework(), ExecutorID("e\(draw(2))"))
                return .executorEnded(executor, session: session(of: id))
            default:
                var role = RoleRecord(role: ByteText("r\(draw(3))"))
                role.weight = Int64(draw(3)) * 1000
                return .role(role)
            }
        }

        private mutating func registration() throws -> AgentRegistration {
            let id = agent()
            let isKnown = master.table.agents[id] != nil
            let directory = 10 + (UInt64(id.description.dropFirst()) ?? 0)
            let total = draw(6) == 0 ? "cpus:2;mem:100" : "cpus:8;mem:1000;ports:[1-20]"
            return AgentRegistration(
                id: isKnown && draw(8) != 0 ? id : AgentID(""), newID: id, info: bytes("i"),
                total: try ResourcesParser.parse(total), incarnation: draw(10) == 0 ? 2 : directory,
                url: [])
        }

        private mutating func subscription() -> Subscription {
            let id = framework()
            let isKnown = master.table.frameworks[id] != nil
            var subscription = Subscription(
                id: isKnown && draw(8) != 0 ? id : FrameworkID(""), newID: id, info: bytes("f"),
                roles: ["*"])
            subscription.failoverMilliseconds = UInt64(draw(10_000))
            subscription.isUpdate = draw(6) == 0
            return subscription
        }

        private mutating func launch() throws -> Launch {
            let id = agent()
            let framework = framework()
            var operations: [Launch.Operation] = []
            for _ in 0...draw(3) {
                number += 1
                let port = draw(20) + 1
                var task = TaskLaunch(
                    task: TaskID("t\(draw(12))"), role: "*",
                    resources: try ResourcesParser.parse(
                        "cpus:\(draw(3)).5;ports:[\(port)-\(port)]"),
                    info: bytes("n\(number)"))
                if draw(3) == 0 {
                    task.executor = TaskLaunch.Executor(
                        id: ExecutorID("e\(draw(2))"),
                        resources: try ResourcesParser.parse("mem:100"), info: [])
                }
                operations.append(.task(task))
            }
            return Launch(
                framework: framework, agent: id, session: session(of: id), operations: operations)
        }

        private mutating func report() -> DatacenterCommand {
            if !sent.isEmpty, draw(5) == 0 {
                let (id, report) = sent[draw(sent.count)]
                return .reportStatuses(id, session: session(of: id), [report])
            }
            let key = key()
            let task = master.table.tasks[key]
            let id = draw(10) == 0 ? agent() : task?.agent ?? agent()
            number += 1
            let states = TaskState.allCases
            let status = WaitingStatus(
                uuid: bytes("u\(number)"), state: states[draw(states.count)], body: [])
            let report = StatusReport(
                key: key, sequence: draw(10) == 0 ? 1 : task?.sequence ?? 0, status: status)
            sent.append((id, report))
            return .reportStatuses(id, session: session(of: id), [report])
        }
    }

    @Test(
        "whatever masters decide, the books are right and records load as they are",
        arguments: 0..<40)
    func books(seed: UInt64) throws {
        var masters = Masters(seed: seed)
        var launched = 0
        for turn in 0..<600 {
            masters.generation = turn / 60
            try masters.step()
            if turn % 10 == 0 { masters.master.table.checkInvariants() }
            if turn % 100 == 0 { try masters.master.check() }
            launched = max(launched, masters.master.table.tasks.count)
        }
        try masters.master.check()
        masters.master.driver.store.checkInvariants()
        #expect(launched > 3)
    }

    @Test("no sequence is used twice, and a task that has ended stays so", arguments: 0..<10)
    func ends(seed: UInt64) throws {
        var masters = Masters(seed: 1000 + seed)
        var keyOfSequence: [UInt64: TaskKey] = [:]
        var ended: [UInt64: TaskState] = [:]
        for turn in 0..<800 {
            masters.generation = turn / 60
            try masters.step()
            for task in masters.master.table.tasks.values {
                let known = keyOfSequence.updateValue(task.key, forKey: task.sequence)
                #expect(known == nil || known == task.key)
                if let end = ended[task.sequence] { #expect(task.state == end) }
                if task.state.isTerminal { ended[task.sequence] = task.state }
            }
        }
        #expect(ended.count > 3)
    }

    @Test("any bytes are a command or an error, and nothing traps", arguments: 0..<20)
    func garbage(seed: UInt64) throws {
        var masters = Masters(seed: 2000 + seed)
        for _ in 0..<50 { try masters.step() }
        var random = SplitMix64(seed: seed)
        for entry in masters.master.driver.log {
            var payload = entry.payload
            for _ in 0...random.next(below: 3) {
                let place = Int(random.next(below: UInt64(payload.count)))
                payload[place] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.next(below: 4) == 0 { payload.removeLast(min(payload.count, 7)) }
            masters.master.driver.apply(payload: payload)
            masters.master.table.checkInvariants()
        }
    }
}
