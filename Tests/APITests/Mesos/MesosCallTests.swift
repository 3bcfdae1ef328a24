import API
import SwiftProtobuf
import Testing

@Suite("What a call to the Mesos API must have")
struct MesosCallTests {
    private func refusal(_ work: () throws(MesosRefusal) -> Void) -> MesosRefusal? {
        do throws(MesosRefusal) {
            try work()
            return nil
        } catch {
            return error
        }
    }

    private func call(_ type: MesosSchedulerCall.TypeEnum) -> MesosSchedulerCall {
        .with {
            $0.type = type
            $0.frameworkID.value = "f"
        }
    }

    private func problem(_ call: MesosSchedulerCall, principal: String? = nil) -> String? {
        refusal { () throws(MesosRefusal) in try call.validate(principal: principal) }?.message
    }

    @Test("a call names its type and, but for SUBSCRIBE, its framework")
    func typeAndFramework() {
        let prefix = "Failed to validate scheduler::Call: "
        #expect(problem(.init()) == prefix + "Expecting 'type' to be present")
        let anonymous = MesosSchedulerCall.with { $0.type = .revive }
        #expect(problem(anonymous) == prefix + "Expecting 'framework_id' to be present")
        #expect(problem(call(.revive)) == nil)
        #expect(refusal { () throws(MesosRefusal) in try call(.unknown).validate() }?.status == 501)
    }

    @Test("a call has the part that belongs to its type")
    func parts() {
        let expected: [(MesosSchedulerCall.TypeEnum, String)] = [
            (.subscribe, "subscribe"), (.accept, "accept"), (.decline, "decline"),
            (.acceptInverseOffers, "accept_inverse_offers"),
            (.declineInverseOffers, "decline_inverse_offers"), (.kill, "kill"),
            (.shutdown, "shutdown"), (.acknowledge, "acknowledge"),
            (.acknowledgeOperationStatus, "acknowledge_operation_status"),
            (.reconcile, "reconcile"), (.reconcileOperations, "reconcile_operations"),
            (.message, "message"), (.request, "request"), (.updateFramework, "update_framework"),
        ]
        for (type, part) in expected {
            let found = problem(call(type))
            #expect(
                found == "Failed to validate scheduler::Call: Expecting '\(part)' to be present")
        }
        for type in [MesosSchedulerCall.TypeEnum.teardown, .revive, .suppress] {
            #expect(problem(call(type)) == nil)
        }
        #expect(expected.count + 4 == MesosSchedulerCall.TypeEnum.allCases.count)
    }

    @Test("a subscription's two framework ids agree, absent and empty being equal")
    func subscribe() {
        var call = MesosSchedulerCall.with { $0.type = .subscribe }
        call.subscribe.frameworkInfo.user = "u"
        #expect(problem(call) == nil)
        call.frameworkID.value = ""
        #expect(problem(call) == nil)
        call.subscribe.frameworkInfo.id.value = "f"
        #expect(problem(call)?.hasSuffix("differs from 'subscribe.framework_info.id'") == true)
        call.frameworkID.value = "f"
        #expect(problem(call) == nil)
    }

    @Test("a subscription's principal is the one that was authenticated, or absent")
    func principal() {
        var call = MesosSchedulerCall.with { $0.type = .subscribe }
        call.subscribe = .init()
        #expect(problem(call, principal: "p") == nil)
        call.subscribe.frameworkInfo.principal = "p"
        #expect(problem(call, principal: "p") == nil)
        #expect(problem(call) == nil)
        #expect(problem(call, principal: "q")?.contains("does not match principal 'p'") == true)
    }

    @Test("an acknowledgement's UUID has 16 bytes")
    func uuid() {
        var call = call(.acknowledge)
        call.acknowledge.uuid = .init(wire: [UInt8](repeating: 1, count: 15))
        #expect(problem(call) != nil)
        call.acknowledge.uuid = .init(wire: [UInt8](repeating: 1, count: 16))
        #expect(problem(call) == nil)
        call.type = .acknowledgeOperationStatus
        call.acknowledgeOperationStatus.uuid = call.acknowledge.uuid
        #expect(problem(call)?.hasSuffix("Expecting 'agent_id' to be present") == true)
        call.acknowledgeOperationStatus.agentID.value = "a"
        #expect(problem(call) == nil)
    }

    @Test("an updated framework keeps its id")
    func updateFramework() {
        var call = call(.updateFramework)
        call.updateFramework.frameworkInfo.id.value = "g"
        #expect(problem(call) != nil)
        call.updateFramework.frameworkInfo.id.value = "f"
        #expect(problem(call) == nil)
    }

    @Test("a subscription has no stream id, any other call the live one")
    func streams() {
        func status(
            _ type: MesosSchedulerCall.TypeEnum, _ header: String?, _ current: String?
        ) -> Int? {
            refusal { () throws(MesosRefusal) in
                try call(type).validateStream(header: header, current: current)
            }?.status
        }
        #expect(status(.subscribe, nil, nil) == nil)
        #expect(status(.subscribe, nil, "s") == nil)
        #expect(status(.subscribe, "s", "s") == 400)
        #expect(status(.decline, "s", "s") == nil)
        #expect(status(.decline, nil, "s") == 400)
        #expect(status(.decline, "t", "s") == 400)
        #expect(status(.decline, "s", nil) == 403)
        #expect(status(.decline, nil, nil) == 403)
    }

    @Test("only two calls of a scheduler have an answer")
    func answers() {
        let answered = MesosSchedulerCall.TypeEnum.allCases.filter { call($0).wantsAnswer }
        #expect(answered == [.subscribe, .reconcileOperations])
    }

    @Test("an executor's update has an id, its own source, and is not STAGING")
    func executorUpdate() {
        var call = MesosExecutorCall()
        func problem() -> String? {
            refusal { () throws(MesosRefusal) in try call.validate() }?.message
        }
        #expect(problem()?.hasSuffix("Expecting 'type' to be present") == true)
        call.type = .update
        call.executorID.value = "e"
        #expect(problem()?.hasSuffix("Expecting 'update' to be present") == true)
        call.update.status.state = .taskRunning
        #expect(problem()?.hasSuffix("Expecting 'uuid' to be present") == true)
        call.update.status.uuid = .init(wire: [UInt8](repeating: 1, count: 16))
        #expect(problem()?.contains("invalid source") == true)
        call.update.status.source = .executor
        #expect(problem() == nil)
        call.update.status.executorID.value = "other"
        #expect(problem()?.contains("does not match") == true)
        call.update.status.executorID.value = "e"
        #expect(problem() == nil)
        call.update.status.state = .taskStaging
        #expect(problem()?.contains("TASK_STAGING") == true)
    }

    @Test("an operator's call has the part that belongs to its type")
    func operatorParts() {
        func problem(_ call: MesosMasterCall) -> String? {
            refusal { () throws(MesosRefusal) in try call.validate() }?.message
        }
        let needing = MesosMasterCall.TypeEnum.allCases.filter { type in
            problem(.with { $0.type = type })?.contains("to be present") == true
        }
        #expect(needing.count == 22)
        #expect(problem(.with { $0.type = .getState }) == nil)
        #expect(problem(.with { $0.type = .drainAgent })?.contains("'drain_agent'") == true)
        var grow = MesosMasterCall.with { $0.type = .growVolume }
        grow.growVolume = .init()
        #expect(problem(grow)?.contains("'agent_id'") == true)
        grow.growVolume.agentID.value = "a"
        #expect(problem(grow) == nil)
    }

    @Test("an agent refuses the calls that it does not serve with 501")
    func agentCalls() {
        func status(_ type: MesosAgentCall.TypeEnum) -> Int? {
            let call = MesosAgentCall.with { $0.type = type }
            return refusal { () throws(MesosRefusal) in try call.validate() }?.status
        }
        #expect(status(.getHealth) == nil)
        #expect(status(.readFile) == 400)
        #expect(status(.pruneImages) == 501)
        #expect(MesosAgentCall.TypeEnum.allCases.filter { status($0) == nil }.count == 11)
    }
}
