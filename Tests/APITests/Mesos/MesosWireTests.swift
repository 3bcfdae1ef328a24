import API
import SwiftProtobuf
import Testing

/// Expected bytes are written by hand from the protobuf encoding specification and the numbers
/// of the Mesos v1 API, so that a changed number is seen.
@Suite("Messages on the wire (Mesos v1 API)")
struct MesosWireTests {
    private func bytes(_ message: some Message) -> [UInt8] {
        MesosMessage.encode(message, as: .protobuf)
    }

    @Test("a subscription has its type at 2 and the framework's user, name and timeout at 1, 2, 4")
    func subscribe() throws {
        var call = MesosSchedulerCall()
        call.type = .subscribe
        call.subscribe.frameworkInfo.user = "u"
        call.subscribe.frameworkInfo.name = "n"
        call.subscribe.frameworkInfo.failoverTimeout = 1
        call.subscribe.frameworkInfo.roles = ["r"]
        call.subscribe.frameworkInfo.capabilities = [.with { $0.type = .multiRole }]
        call.subscribe.suppressedRoles = ["r"]
        let info: [UInt8] =
            [0x0A, 1, 0x75, 0x12, 1, 0x6E, 0x21, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]
            + [0x52, 2, 0x08, 6, 0x62, 1, 0x72]
        let expected: [UInt8] =
            [0x10, 1, 0x1A, UInt8(info.count + 5), 0x0A, UInt8(info.count)] + info + [
                0x12, 1, 0x72,
            ]
        #expect(bytes(call) == expected)
        let read = try MesosMessage.decode(MesosSchedulerCall.self, from: expected, as: .protobuf)
        #expect(read == call)
    }

    @Test("an offer has its three ids at 1 to 3, its host at 4 and resources at 5")
    func offer() {
        var offer = MesosOffer()
        offer.id.value = "o"
        offer.frameworkID.value = "f"
        offer.agentID.value = "a"
        offer.hostname = "h"
        offer.resources = [
            .with {
                $0.name = "cpus"
                $0.type = .scalar
                $0.scalar.value = 0.5
                $0.allocationInfo.role = "*"
            }
        ]
        let resource: [UInt8] =
            [0x0A, 4, 0x63, 0x70, 0x75, 0x73, 0x10, 0]
            + [0x1A, 9, 0x09, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F] + [0x5A, 3, 0x0A, 1, 0x2A]
        #expect(
            bytes(offer) == [
                0x0A, 3, 0x0A, 1, 0x6F, 0x12, 3, 0x0A, 1, 0x66, 0x1A, 3, 0x0A, 1, 0x61,
            ]
                + [0x22, 1, 0x68, 0x2A, UInt8(resource.count)] + resource)
    }

    @Test("a status has state 2, data 3, message 4, agent 5, time 6, executor 7, uuid 11")
    func status() {
        var status = MesosTaskStatus()
        status.taskID.value = "t"
        status.state = .taskGoneByOperator
        status.data = .init(wire: [1])
        status.message = "m"
        status.agentID.value = "a"
        status.timestamp = 2
        status.executorID.value = "e"
        status.healthy = true
        status.source = .executor
        status.reason = .agentDraining
        status.uuid = .init(wire: [9])
        #expect(
            bytes(status) == [0x0A, 3, 0x0A, 1, 0x74, 0x10, 12, 0x1A, 1, 1, 0x22, 1, 0x6D]
                + [0x2A, 3, 0x0A, 1, 0x61, 0x31, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x3A, 3, 0x0A, 1, 0x65]
                + [0x40, 1, 0x48, 2, 0x50, 34, 0x5A, 1, 9])
    }

    @Test("operations have LAUNCH at 2, LAUNCH_GROUP at 7, DESTROY_DISK at 16")
    func operations() {
        var accept = MesosSchedulerCall.Accept()
        accept.offerIds = [.with { $0.value = "o" }]
        accept.operations = [
            .with {
                $0.type = .launch
                $0.launch = .init()
            },
            .with {
                $0.type = .launchGroup
                $0.launchGroup = .init()
            },
            .with {
                $0.type = .destroyDisk
                $0.destroyDisk = .init()
            },
        ]
        accept.filters.refuseSeconds = 0
        #expect(
            bytes(accept) == [0x0A, 3, 0x0A, 1, 0x6F, 0x12, 4, 0x08, 1, 0x12, 0]
                + [0x12, 4, 0x08, 6, 0x3A, 0, 0x12, 5, 0x08, 14, 0x82, 1, 0]
                + [0x1A, 9, 0x09, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test("an executor's call has its ids at 1 and 2; a message's data is at 2 there, 1 in events")
    func executor() throws {
        var call = MesosExecutorCall()
        call.executorID.value = "e"
        call.frameworkID.value = "f"
        call.type = .message
        call.message.data = .init(wire: [7])
        #expect(
            bytes(call) == [0x0A, 3, 0x0A, 1, 0x65, 0x12, 3, 0x0A, 1, 0x66, 0x18, 3]
                + [0x32, 3, 0x12, 1, 7])
        let event: [UInt8] = [0x08, 5, 0x32, 3, 0x0A, 1, 7]
        let read = try MesosMessage.decode(MesosExecutorEvent.self, from: event, as: .protobuf)
        #expect(read.message.data == .init(wire: [7]))
    }

    @Test("a drain's grace period is read as google.protobuf.Duration")
    func drain() throws {
        let bytes: [UInt8] = [
            0x08, 37, 0xAA, 1, 12, 0x0A, 3, 0x0A, 1, 0x61, 0x12, 3, 0x08, 0xD8, 4,
        ]
        let call = try MesosMessage.decode(
            MesosMasterCall.self, from: bytes + [0x18, 1], as: .protobuf)
        #expect(call.type == .drainAgent)
        #expect(call.drainAgent.maxGracePeriod.seconds == 600)
    }

    @Test("what is not known is kept when a message is written again")
    func unknownFields() throws {
        let bytes: [UInt8] = [0x0A, 1, 0x61, 0xA0, 0x06, 5]
        let id = try MesosMessage.decode(MesosTaskID.self, from: bytes, as: .protobuf)
        #expect(id.value == "a")
        #expect(self.bytes(id) == bytes)
    }

    @Test("an enum's number that is not known is kept and reads as not set")
    func unknownEnum() throws {
        let bytes: [UInt8] = [0x10, 99]
        let call = try MesosMessage.decode(MesosSchedulerCall.self, from: bytes, as: .protobuf)
        #expect(!call.hasType)
        #expect(self.bytes(call) == bytes)
    }

    @Test("a required field that is missing is named with its path")
    func missing() {
        var call = MesosSchedulerCall()
        call.type = .accept
        call.accept.operations = [
            .with { $0.type = .launch },
            .with { $0.launch.taskInfos = [.with { $0.name = "n" }] },
        ]
        let bytes = bytes(call)
        #expect(
            throws: MesosDecodingError.missing([
                "accept.operations[1].launch.task_infos[0].task_id",
                "accept.operations[1].launch.task_infos[0].agent_id",
            ])
        ) { try MesosMessage.decode(MesosSchedulerCall.self, from: bytes, as: .protobuf) }
    }

    @Test("a body that is too large or too deep is refused as such")
    func limits() {
        let limits = MesosLimits(bodyBytesMax: 70, depthMax: 10)
        var id: [UInt8] = [0x0A, 0]
        for _ in 0..<10 { id = [0x0A, 0, 0x12, UInt8(id.count)] + id }
        #expect(throws: MesosDecodingError.tooDeep(max: 10)) {
            try MesosMessage.decode(MesosContainerID.self, from: id, as: .protobuf, limits: limits)
        }
        let long = [UInt8](repeating: 0, count: 71)
        for encoding in [MesosMessage.Encoding.json, .protobuf] {
            #expect(throws: MesosDecodingError.tooLarge(bytes: 71, max: 70)) {
                try MesosMessage.decode(MesosTaskID.self, from: long, as: encoding, limits: limits)
            }
        }
    }

    @Test("bytes that are no message are refused")
    func malformed() {
        for bytes: [UInt8] in [[0x0A], [0x0A, 5, 1], [0x0F, 0], [0x08]] {
            #expect(throws: MesosDecodingError.protobuf) {
                try MesosMessage.decode(MesosTaskID.self, from: bytes, as: .protobuf)
            }
        }
    }
}
