internal import Primitives

/// Histories as JSON Lines: the format of `docs/history-format.md`.
package enum HistoryLines {
    package static func encode(_ history: RecordedHistory) -> [UInt8] {
        var bytes: [UInt8] = []
        for operation in history.operations { append(line(operation), to: &bytes) }
        for watch in history.watches {
            append(line(watch), to: &bytes)
            for response in watch.responses {
                append(line(response, of: watch.id), to: &bytes)
            }
        }
        for call in history.queueCalls { append(line(call), to: &bytes) }
        for observation in history.observations {
            append(line(observation), to: &bytes)
            for telling in observation.tellings {
                append(line(telling, of: observation.id), to: &bytes)
            }
            if let end = observation.end {
                append(endLine(ofObservation: observation.id, at: end), to: &bytes)
            }
        }
        for change in history.writes?.revisions ?? [] { append(line(change), to: &bytes) }
        return bytes
    }

    /// One line with its end, for a writer that appends as things happen.
    package static func append(_ line: JSONValue, to bytes: inout [UInt8]) {
        line.encode(into: &bytes)
        bytes.append(UInt8(ascii: "\n"))
    }

    package static func line(_ operation: RecordedOperation) -> JSONValue {
        var fields = Fields(
            "operation", id: operation.id, of: operation.client, at: operation.member,
            from: operation.start, to: operation.end)
        fields.add("request", json(operation.request))
        switch operation.outcome {
        case .ok(let revision, let answer):
            fields.add("outcome", .string("ok"))
            if let revision { fields.int("revision", revision) }
            fields.add("answer", json(answer))
        case .failed(let error): fields.ending("failed", error)
        case .unknown(let error): fields.ending("unknown", error)
        }
        return fields.value
    }

    package static func line(_ watch: RecordedWatch) -> JSONValue {
        var fields = Fields(
            "watch", id: watch.id, of: watch.client, at: watch.member, from: watch.start)
        fields.interval(watch.interval)
        fields.nonzero("startRevision", watch.startRevision)
        fields.flag("withoutPuts", watch.withoutPuts)
        fields.flag("withoutDeletes", watch.withoutDeletes)
        fields.flag("prevKV", watch.wantsPrevious)
        fields.flag("fragment", watch.wantsFragments)
        if let resumes = watch.resumes { fields.int("resumes", resumes) }
        return fields.value
    }

    package static func line(_ response: RecordedWatchResponse, of watch: Int) -> JSONValue {
        var fields = Fields("response")
        fields.int("watch", watch)
        fields.int("time", response.time)
        fields.int("revision", response.revision)
        fields.flag("fragment", response.isFragment)
        switch response.body {
        case .created: fields.add("created", .bool(true))
        case .events(let events): fields.add("events", .array(events.map(json)))
        case .progress: fields.add("progress", .bool(true))
        case .canceled(let compactRevision, let reason):
            fields.add("canceled", .bool(true))
            fields.nonzero("compactRevision", compactRevision)
            if !reason.isEmpty { fields.add("reason", .string(reason)) }
        }
        return fields.value
    }

    package static func line(_ change: RecordedRevision) -> JSONValue {
        var fields = Fields("revision")
        fields.int("revision", change.revision)
        fields.add("events", .array(change.events.map(json)))
        return fields.value
    }

    package static func line(_ call: RecordedQueueCall) -> JSONValue {
        var fields = Fields(
            "queueCall", id: call.id, of: call.client, at: call.member, from: call.start,
            to: call.end)
        fields.add("call", .string(call.kind.rawValue))
        fields.bytes("name", call.name)
        fields.nonzero("lease", call.lease)
        if !call.value.isEmpty { fields.bytes("value", call.value) }
        if !call.key.isEmpty { fields.bytes("key", call.key) }
        fields.nonzero("created", call.created)
        switch call.outcome {
        case .ok(let revision):
            fields.add("outcome", .string("ok"))
            fields.int("revision", revision)
        case .failed(let error): fields.ending("failed", error)
        case .unknown(let error): fields.ending("unknown", error)
        }
        if let leader = call.leader { fields.add("leader", json(leader)) }
        return fields.value
    }

    package static func line(_ observation: RecordedObservation) -> JSONValue {
        var fields = Fields(
            "observation", id: observation.id, of: observation.client, at: observation.member,
            from: observation.start)
        fields.bytes("name", observation.name)
        return fields.value
    }

    package static func line(
        _ telling: RecordedObservation.Telling, of observation: Int
    ) -> JSONValue {
        var fields = Fields("telling")
        fields.int("observation", observation)
        fields.int("time", telling.time)
        fields.int("revision", telling.revision)
        fields.add("leader", json(telling.leader))
        return fields.value
    }

    package static func endLine(ofObservation observation: Int, at time: Int64) -> JSONValue {
        var fields = Fields("telling")
        fields.int("observation", observation)
        fields.int("time", time)
        fields.flag("end", true)
        return fields.value
    }

    private static func json(_ pair: RecordedPair) -> JSONValue {
        var fields = Fields()
        fields.bytes("key", pair.key)
        if !pair.value.isEmpty { fields.bytes("value", pair.value) }
        fields.nonzero("create", pair.createRevision)
        fields.nonzero("mod", pair.modRevision)
        fields.nonzero("version", pair.version)
        fields.nonzero("lease", pair.lease)
        return fields.value
    }

    private static func json(_ event: RecordedEvent) -> JSONValue {
        var fields = Fields()
        fields.add(event.kind.rawValue, json(event.pair))
        if let previous = event.previous { fields.add("previous", json(previous)) }
        return fields.value
    }

    private static func json(_ request: RecordedRequest) -> JSONValue {
        var fields = Fields()
        switch request {
        case .put(let put):
            fields.add("op", .string("put"))
            fields.bytes("key", put.key)
            fields.bytes("value", put.value)
            fields.nonzero("lease", put.lease)
            fields.flag("prevKV", put.wantsPrevious)
            fields.flag("ignoreValue", put.ignoresValue)
            fields.flag("ignoreLease", put.ignoresLease)
        case .range(let range):
            fields.add("op", .string("range"))
            fields.interval(range.interval)
            fields.nonzero("limit", range.limit)
            fields.nonzero("revision", range.revision)
            fields.flag("serializable", range.isSerializable)
            fields.flag("countOnly", range.countOnly)
            fields.flag("keysOnly", range.keysOnly)
        case .deleteRange(let delete):
            fields.add("op", .string("deleteRange"))
            fields.interval(delete.interval)
            fields.flag("prevKV", delete.wantsPrevious)
        case .txn(let txn):
            fields.add("op", .string("txn"))
            fields.add("compares", .array(txn.compares.map(json)))
            fields.add("success", .array(txn.success.map(json)))
            fields.add("failure", .array(txn.failure.map(json)))
        case .compact(let revision):
            fields.add("op", .string("compact"))
            fields.int("revision", revision)
        case .leaseGrant(let lease, let seconds):
            fields.lease("leaseGrant", lease)
            fields.int("ttl", seconds)
        case .leaseRevoke(let lease): fields.lease("leaseRevoke", lease)
        case .leaseKeepAlive(let lease): fields.lease("leaseKeepAlive", lease)
        case .leaseTimeToLive(let lease, let wantsKeys):
            fields.lease("leaseTimeToLive", lease)
            fields.flag("keys", wantsKeys)
        }
        return fields.value
    }

    private static func json(_ compare: RecordedCompare) -> JSONValue {
        var fields = Fields()
        fields.interval(compare.interval)
        fields.add("relation", .string(compare.relation.rawValue))
        switch compare.target {
        case .version(let number): fields.int("version", number)
        case .create(let number): fields.int("create", number)
        case .mod(let number): fields.int("mod", number)
        case .lease(let number): fields.int("lease", number)
        case .value(let value): fields.bytes("value", value)
        }
        return fields.value
    }

    private static func json(_ answer: RecordedAnswer) -> JSONValue {
        var fields = Fields()
        switch answer {
        case .put(let previous):
            fields.add("op", .string("put"))
            if let previous { fields.add("previous", json(previous)) }
        case .range(let pairs, let count, let more):
            fields.add("op", .string("range"))
            fields.add("kvs", .array(pairs.map(json)))
            fields.int("count", count)
            fields.flag("more", more)
        case .deleteRange(let deleted, let previous):
            fields.add("op", .string("deleteRange"))
            fields.int("deleted", deleted)
            if !previous.isEmpty { fields.add("previous", .array(previous.map(json))) }
        case .txn(let succeeded, let answers):
            fields.add("op", .string("txn"))
            fields.add("succeeded", .bool(succeeded))
            fields.add("answers", .array(answers.map(json)))
        case .compact: fields.add("op", .string("compact"))
        case .leaseGrant(let lease, let seconds):
            fields.lease("leaseGrant", lease)
            fields.int("ttl", seconds)
        case .leaseRevoke: fields.add("op", .string("leaseRevoke"))
        case .leaseKeepAlive(let seconds):
            fields.add("op", .string("leaseKeepAlive"))
            fields.int("ttl", seconds)
        case .leaseTimeToLive(let remaining, let granted, let keys):
            fields.add("op", .string("leaseTimeToLive"))
            fields.int("remaining", remaining)
            fields.int("granted", granted)
            if let keys { fields.add("keys", .array(keys.map(Fields.json))) }
        }
        return fields.value
    }
}

/// An object under construction. What is zero or false is left out.
private struct Fields {
    private var list: [JSONValue.Field] = []

    init() {}
    init(_ type: String) { add("type", .string(type)) }

    /// What a client did through a member, from when on.
    init(
        _ type: String, id: Int, of client: Int, at member: Int?, from start: Int64,
        to end: Int64? = nil
    ) {
        self.init(type)
        int("id", id)
        int("client", client)
        if let member { int("member", member) }
        int("start", start)
        if let end { int("end", end) }
    }

    var value: JSONValue { .object(list) }

    mutating func add(_ name: String, _ value: JSONValue) {
        list.append(JSONValue.Field(name: name, value: value))
    }

    mutating func int(_ name: String, _ number: some BinaryInteger) {
        add(name, .int(Int64(number)))
    }

    mutating func nonzero(_ name: String, _ number: Int64) {
        if number != 0 { add(name, .int(number)) }
    }

    mutating func flag(_ name: String, _ flag: Bool) { if flag { add(name, .bool(true)) } }

    mutating func bytes(_ name: String, _ bytes: Bytes) { add(name, Fields.json(bytes)) }

    mutating func interval(_ interval: KeyInterval) {
        bytes("key", interval.key)
        if !interval.end.isEmpty { bytes("rangeEnd", interval.end) }
    }

    mutating func ending(_ outcome: String, _ error: String?) {
        add("outcome", .string(outcome))
        if let error { add("error", .string(error)) }
    }

    mutating func lease(_ op: String, _ lease: Int64) {
        add("op", .string(op))
        int("lease", lease)
    }

    /// Printable ASCII as text, anything else as base64.
    static func json(_ bytes: Bytes) -> JSONValue {
        if bytes.storage.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) {
            return .string(String(decoding: bytes.storage, as: UTF8.self))
        }
        return .object([
            JSONValue.Field(name: "base64", value: .string(Base64.encode(bytes.storage)))
        ])
    }
}
