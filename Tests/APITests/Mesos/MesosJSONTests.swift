import API
import SwiftProtobuf
import Testing

@Suite("JSON as Mesos writes and reads it")
struct MesosJSONTests {
    private func text(_ message: some Message) -> String {
        String(decoding: MesosJSON.encode(message), as: UTF8.self)
    }

    private func read<M: Message>(_ type: M.Type, _ text: String) throws(MesosDecodingError) -> M {
        try MesosJSON.decode(type, from: Array(text.utf8))
    }

    @Test("names are those of the fields, enums are names, bytes are Base64")
    func update() {
        var event = MesosSchedulerEvent()
        event.type = .update
        event.update.status.taskID.value = "t"
        event.update.status.state = .taskRunning
        event.update.status.uuid = .init(wire: [0xFB, 0xFF, 0xFE])
        event.update.status.source = .executor
        event.update.status.reason = .agentReregistered
        event.update.status.healthy = false
        #expect(
            text(event)
                == #"{"type":"UPDATE","update":{"status":{"task_id":{"value":"t"},"#
                + #""state":"TASK_RUNNING","healthy":false,"source":"SOURCE_EXECUTOR","#
                + #""reason":"REASON_AGENT_REREGISTERED","uuid":"+//+"}}}"#)
    }

    @Test("64-bit integers and doubles are numbers; both ends of a range too")
    func numbers() {
        var resource = MesosResource()
        resource.name = "ports"
        resource.type = .ranges
        resource.ranges.range = [
            .with {
                $0.begin = 31_000
                $0.end = UInt64.max
            }
        ]
        #expect(
            text(resource) == #"{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":31000,"#
                + #""end":18446744073709551615}]}}"#)
        #expect(
            text(MesosTimeInfo.with { $0.nanoseconds = .min })
                == #"{"nanoseconds":-9223372036854775808}"#)
        #expect(text(MesosFilters.with { $0.refuseSeconds = 0.1 }) == #"{"refuse_seconds":0.1}"#)
        #expect(text(MesosFilters.with { $0.refuseSeconds = 120 }) == #"{"refuse_seconds":120.0}"#)
    }

    @Test("what is not set is absent, even with a default; what is set is there, even if it is one")
    func absent() {
        #expect(text(MesosCommandInfo()) == "{}")
        #expect(text(MesosCommandInfo.with { $0.shell = true }) == #"{"shell":true}"#)
        #expect(text(MesosSchedulerEvent.with { $0.type = .heartbeat }) == #"{"type":"HEARTBEAT"}"#)
        #expect(text(MesosSchedulerCall.with { $0.accept = .init() }) == #"{"accept":{}}"#)
    }

    @Test("maps are objects in the order of their keys")
    func maps() {
        var task = MesosTaskInfo()
        task.limits = ["mem": .with { $0.value = .infinity }, "cpus": .with { $0.value = 2 }]
        #expect(
            text(task) == #"{"limits":{"cpus":{"value":2.0},"mem":{"value":"Infinity"}}}"#)
        #expect(
            throws: MesosDecodingError.missing(["name", "task_id", "agent_id", "limits[mem].value"])
        ) {
            try read(MesosTaskInfo.self, #"{"limits":{"mem":{},"cpus":{"value":1}}}"#)
        }
    }

    @Test("text is escaped so that a record is one line")
    func escapes() {
        let label = MesosLabel.with { $0.key = "a\"\\\n\u{1}é\u{1F600}" }
        #expect(text(label) == "{\"key\":\"a\\\"\\\\\\n\\u0001é\u{1F600}\"}")
    }

    @Test("a subscription as pymesos sends it is read")
    func subscribe() throws {
        let call = try read(
            MesosSchedulerCall.self,
            #"""
            {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "demo",
             "checkpoint": true, "failover_timeout": 100, "principal": null,
             "capabilities": [{"type": "GPU_RESOURCES"}, {"type": "FROM_THE_FUTURE"}],
             "labels": {"labels": [{"key": "k", "value": "v"}]}, "later": [{"x": [null]}]}}}
            """#)
        let info = call.subscribe.frameworkInfo
        #expect(call.type == .subscribe)
        #expect(info.user == "root" && info.name == "demo" && info.checkpoint)
        #expect(info.failoverTimeout == 100 && !info.hasPrincipal && !info.hasID)
        #expect(info.capabilities.map(\.hasType) == [true, false])
        #expect(info.labels.labels.map(\.value) == ["v"])
    }

    @Test("numbers may stand in strings, and doubles may be infinite")
    func lenientNumbers() throws {
        #expect(try read(MesosTimeInfo.self, #"{"nanoseconds":"-5"}"#).nanoseconds == -5)
        #expect(try read(MesosTimeInfo.self, #"{"nanoseconds":5.0}"#).nanoseconds == 5)
        #expect(try read(MesosFilters.self, #"{"refuse_seconds":"1.5"}"#).refuseSeconds == 1.5)
        #expect(
            try read(MesosFilters.self, #"{"refuse_seconds":"Infinity"}"#).refuseSeconds
                == .infinity
        )
        #expect(
            try read(MesosFilters.self, #"{"refuse_seconds":"-Infinity"}"#).refuseSeconds
                == -.infinity)
    }

    @Test("names in lowerCamelCase are read too")
    func camelCase() throws {
        let filters = try read(MesosFilters.self, #"{"refuseSeconds":7}"#)
        #expect(filters.refuseSeconds == 7)
    }

    @Test("an enum's unknown name leaves an optional field unset and a required one missing")
    func unknownEnum() throws {
        #expect(try !read(MesosSchedulerCall.self, #"{"type":"LATER"}"#).hasType)
        #expect(throws: MesosDecodingError.missing(["state"])) {
            try read(MesosTaskStatus.self, #"{"task_id":{"value":"t"},"state":"TASK_LATER"}"#)
        }
    }

    @Test("a null leaves a required field missing, and its path is told")
    func missing() {
        #expect(
            throws: MesosDecodingError.missing([
                "subscribe.framework_info.user", "subscribe.framework_info.name",
                "subscribe.framework_info.id.value",
            ])
        ) {
            try read(
                MesosSchedulerCall.self,
                #"{"subscribe":{"framework_info":{"user":null,"id":{}}}}"#)
        }
    }

    @Test("of many missing fields the first eight are told")
    func manyMissing() {
        let offers = (0..<100).map { _ in "{}" }.joined(separator: ",")
        #expect(throws: MesosDecodingError.missing((0..<8).map { "offer_ids[\($0)].value" })) {
            try read(MesosSchedulerCall.Accept.self, #"{"offer_ids":[\#(offers)]}"#)
        }
    }

    @Test(
        "a value of the wrong kind is told with its path",
        arguments: [
            (#"{"type":"KILL","kill":{"task_id":{"value":7}}}"#, "kill.task_id.value"),
            (
                #"{"accept":{"offer_ids":[{"value":"a"},{"value":["b"]}]}}"#,
                "accept.offer_ids[1].value"
            ),
            (#"{"acknowledge":{"uuid":"*"}}"#, "acknowledge.uuid"),
            (#"{"revive":{"roles":[null]}}"#, "revive.roles[0]"),
            (#"{"revive":{"roles":"a"}}"#, "revive.roles"),
            (#"{"accept":{"filters":{"refuse_seconds":true}}}"#, "accept.filters.refuse_seconds"),
            (
                #"{"subscribe":{"framework_info":{"checkpoint":"yes"}}}"#,
                "subscribe.framework_info.checkpoint"
            ),
        ])
    func wrongKind(json: String, path: String) {
        let error = #expect(throws: MesosDecodingError.self) {
            try read(MesosSchedulerCall.self, json)
        }
        guard case .json(let reason, let found) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(found == path)
        #expect(!reason.isEmpty)
    }

    @Test(
        "text that is no object is refused",
        arguments: [
            "", "null", "[]", "7", "{", "{}}", "{} x", #"{"type"}"#, #"{"type":}"#, "\u{0}",
        ])
    func noObject(json: String) {
        let error = #expect(throws: MesosDecodingError.self) {
            try read(MesosSchedulerCall.self, json)
        }
        guard case .json = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("nesting in fields that are not known is bounded as well")
    func deep() {
        let open = String(repeating: #"{"x":"#, count: 500_000)
        #expect(throws: MesosDecodingError.tooDeep(max: 64)) {
            try read(MesosTaskID.self, #"{"value":"a","later":\#(open)"#)
        }
        let lists = String(repeating: "[", count: 64)
        #expect(throws: MesosDecodingError.tooDeep(max: 64)) {
            try read(MesosTaskID.self, #"{"value":"a","later":\#(lists)"#)
        }
        let fits = String(repeating: "[", count: 63) + String(repeating: "]", count: 63)
        let quoted = #"\"{{[["#
        #expect(throws: Never.self) {
            try read(MesosTaskID.self, #"{"value":"\#(quoted)","later":\#(fits)}"#)
        }
    }

    @Test("a refusal has the status of its reason")
    func statuses() {
        #expect(MesosRefusal(.tooLarge(bytes: 2, max: 1)).status == 413)
        #expect(MesosRefusal(.tooDeep(max: 1)).status == 400)
        #expect(
            MesosRefusal(.missing(["a.b", "c"])) == .badRequest("Missing required fields: a.b, c"))
    }
}
