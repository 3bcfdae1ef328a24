internal import Primitives

/// Why a line of a history could not be read. Lines are counted from 1.
package enum HistoryError: Error, Equatable, Sendable {
    case notJSON(line: Int, JSONError)
    case missing(line: Int, field: String)
    case wrongType(line: Int, field: String)
    case unknownWord(line: Int, field: String, word: String)
    /// A response of a watch that no earlier line has opened.
    case strayResponse(line: Int, watch: Int)
    /// What a stream told that no earlier line has opened.
    case strayTelling(line: Int, observation: Int)
    /// Two operations, or two watches, of one id.
    case idTwice(line: Int, id: Int)
}

extension HistoryLines {
    /// Reads a history. Blank lines, unknown fields and lines of an unknown type are passed over,
    /// so that other tools may add theirs.
    package static func decode(_ bytes: [UInt8]) throws(HistoryError) -> RecordedHistory {
        let (history, problems) = decodeAll(bytes)
        if let first = problems.first { throw first }
        return history
    }

    /// Reads what can be read, and says what cannot: for files that a crash cut short.
    package static func decodeAll(
        _ bytes: [UInt8]
    ) -> (history: RecordedHistory, problems: [HistoryError]) {
        var reading = Reading()
        var problems: [HistoryError] = []
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do throws(HistoryError) {
                try reading.take(line, number: number)
            } catch {
                problems.append(error)
            }
        }
        return (reading.history, problems)
    }
}

/// Records of a kind in the order of their lines, found by their ids.
private struct RecordsByID<Record> {
    private(set) var records: [Record] = []
    private var placeOfID: [Int: Int] = [:]

    mutating func add(_ record: Record, id: Int, line: Int) throws(HistoryError) {
        guard placeOfID.updateValue(records.count, forKey: id) == nil else {
            throw .idTwice(line: line, id: id)
        }
        records.append(record)
    }

    /// Changes the record of an id; false where there is none.
    mutating func change(
        _ id: Int, _ change: (inout Record) throws(HistoryError) -> Void
    ) throws(HistoryError) -> Bool {
        guard let place = placeOfID[id] else { return false }
        try change(&records[place])
        return true
    }
}

private struct Reading {
    private var operations = RecordsByID<RecordedOperation>()
    private var watches = RecordsByID<RecordedWatch>()
    private var revisions: [RecordedRevision] = []
    private var queueCalls = RecordsByID<RecordedQueueCall>()
    private var observations = RecordsByID<RecordedObservation>()

    var history: RecordedHistory {
        RecordedHistory(
            operations: operations.records, watches: watches.records,
            writes: revisions.isEmpty ? nil : WriteHistory(revisions),
            queueCalls: queueCalls.records, observations: observations.records)
    }

    mutating func take(_ line: ArraySlice<UInt8>, number: Int) throws(HistoryError) {
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONParser.parse(line)
        } catch {
            throw .notJSON(line: number, error)
        }
        let object = LineObject(json, line: number)
        switch try object.text("type") {
        case "operation":
            let operation = try object.operation()
            try operations.add(operation, id: operation.id, line: number)
        case "watch":
            let watch = try object.watch()
            try watches.add(watch, id: watch.id, line: number)
        case "response":
            let watch = Int(try object.int("watch"))
            let response = try object.response()
            let isKnown = try watches.change(watch) { $0.responses.append(response) }
            if !isKnown { throw .strayResponse(line: number, watch: watch) }
        case "revision":
            let events = try object.list("events") { part throws(HistoryError) in
                try part.event()
            }
            revisions.append(RecordedRevision(try object.int("revision"), events))
        case "queueCall":
            let call = try object.queueCall()
            try queueCalls.add(call, id: call.id, line: number)
        case "observation":
            let observation = try object.observation()
            try observations.add(observation, id: observation.id, line: number)
        case "telling":
            let observation = Int(try object.int("observation"))
            let isKnown = try observations.change(observation) { found throws(HistoryError) in
                if try object.flag("end") {
                    found.end = try object.int("time")
                } else {
                    found.tellings.append(try object.telling())
                }
            }
            if !isKnown { throw .strayTelling(line: number, observation: observation) }
        default: break
        }
    }
}

/// An object of a line, with its fields by name and type.
private struct LineObject {
    private let json: JSONValue
    private let line: Int

    init(_ json: JSONValue, line: Int) {
        self.json = json
        self.line = line
    }

    // MARK: - Fields

    func int(_ name: String) throws(HistoryError) -> Int64 {
        guard let number = try optionalInt(name) else { throw .missing(line: line, field: name) }
        return number
    }

    func optionalInt(_ name: String) throws(HistoryError) -> Int64? {
        switch json[name] {
        case nil, .null: return nil
        case .int(let number): return number
        // As protobuf's JSON has them.
        case .string(let text):
            guard let number = Int64(text) else { throw .wrongType(line: line, field: name) }
            return number
        default: throw .wrongType(line: line, field: name)
        }
    }

    func flag(_ name: String) throws(HistoryError) -> Bool {
        switch json[name] {
        case nil, .null: return false
        case .bool(let flag): return flag
        default: throw .wrongType(line: line, field: name)
        }
    }

    func text(_ name: String) throws(HistoryError) -> String {
        guard let text = try optionalText(name) else { throw .missing(line: line, field: name) }
        return text
    }

    func optionalText(_ name: String) throws(HistoryError) -> String? {
        switch json[name] {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw .wrongType(line: line, field: name)
        }
    }

    func bytes(_ name: String) throws(HistoryError) -> Bytes {
        guard let found = try optionalBytes(name) else {
            throw .missing(line: line, field: name)
        }
        return found
    }

    func optionalBytes(_ name: String) throws(HistoryError) -> Bytes? {
        guard let field = json[name] else { return nil }
        return try LineObject.bytes(field, line, name)
    }

    private static func bytes(
        _ json: JSONValue, _ line: Int, _ name: String
    ) throws(HistoryError) -> Bytes {
        if case .string(let text) = json { return Bytes(text) }
        guard case .string(let text) = json["base64"], let bytes = Base64.decode(text) else {
            throw .wrongType(line: line, field: name)
        }
        return Bytes(bytes)
    }

    func object(_ name: String) throws(HistoryError) -> LineObject {
        guard let found = try optionalObject(name) else {
            throw .missing(line: line, field: name)
        }
        return found
    }

    func optionalObject(_ name: String) throws(HistoryError) -> LineObject? {
        switch json[name] {
        case nil, .null: return nil
        case .object(let fields): return LineObject(.object(fields), line: line)
        default: throw .wrongType(line: line, field: name)
        }
    }

    func list<T>(
        _ name: String, _ item: (LineObject) throws(HistoryError) -> T
    ) throws(HistoryError) -> [T] {
        switch json[name] {
        case nil, .null: return []
        case .array(let items):
            var found: [T] = []
            found.reserveCapacity(items.count)
            for json in items { found.append(try item(LineObject(json, line: line))) }
            return found
        default: throw .wrongType(line: line, field: name)
        }
    }

    func interval() throws(HistoryError) -> KeyInterval {
        KeyInterval(try bytes("key"), end: try optionalBytes("rangeEnd") ?? Bytes([]))
    }

    // MARK: - Values

    func operation() throws(HistoryError) -> RecordedOperation {
        RecordedOperation(
            id: Int(try int("id")), client: Int(try int("client")),
            member: try optionalInt("member").map { Int($0) }, start: try int("start"),
            end: try optionalInt("end"), request: try object("request").request(),
            outcome: try outcome())
    }

    private func outcome() throws(HistoryError) -> RecordedOutcome {
        switch try text("outcome") {
        case "ok":
            return .ok(
                revision: try optionalInt("revision"), try object("answer").answer())
        case "failed": return .failed(try optionalText("error") ?? "")
        case "unknown": return .unknown(try optionalText("error"))
        case let word: throw .unknownWord(line: line, field: "outcome", word: word)
        }
    }

    func request() throws(HistoryError) -> RecordedRequest {
        switch try text("op") {
        case "put":
            return .put(
                RecordedPut(
                    try bytes("key"), try optionalBytes("value") ?? Bytes([]),
                    lease: try optionalInt("lease") ?? 0, wantsPrevious: try flag("prevKV"),
                    ignoresValue: try flag("ignoreValue"),
                    ignoresLease: try flag("ignoreLease")))
        case "range":
            return .range(
                RecordedRange(
                    try interval(), limit: try optionalInt("limit") ?? 0,
                    revision: try optionalInt("revision") ?? 0,
                    isSerializable: try flag("serializable"),
                    countOnly: try flag("countOnly"), keysOnly: try flag("keysOnly")))
        case "deleteRange":
            return .deleteRange(
                RecordedDeleteRange(try interval(), wantsPrevious: try flag("prevKV")))
        case "txn":
            let request = { (part: LineObject) throws(HistoryError) in try part.request() }
            return .txn(
                RecordedTxn(
                    compares: try list("compares") { part throws(HistoryError) in
                        try part.compare()
                    },
                    success: try list("success", request),
                    failure: try list("failure", request)))
        case "compact": return .compact(revision: try int("revision"))
        case "leaseGrant":
            return .leaseGrant(lease: try optionalInt("lease") ?? 0, seconds: try int("ttl"))
        case "leaseRevoke": return .leaseRevoke(lease: try int("lease"))
        case "leaseKeepAlive": return .leaseKeepAlive(lease: try int("lease"))
        case "leaseTimeToLive":
            return .leaseTimeToLive(lease: try int("lease"), wantsKeys: try flag("keys"))
        case let word: throw .unknownWord(line: line, field: "op", word: word)
        }
    }

    func compare() throws(HistoryError) -> RecordedCompare {
        let word = try text("relation")
        guard let relation = RecordedCompare.Relation(rawValue: word) else {
            throw .unknownWord(line: line, field: "relation", word: word)
        }
        let target: RecordedCompare.Target
        if let number = try optionalInt("version") {
            target = .version(number)
        } else if let number = try optionalInt("create") {
            target = .create(number)
        } else if let number = try optionalInt("mod") {
            target = .mod(number)
        } else if let number = try optionalInt("lease") {
            target = .lease(number)
        } else {
            target = .value(try bytes("value"))
        }
        return RecordedCompare(try interval(), relation, target)
    }

    func answer() throws(HistoryError) -> RecordedAnswer {
        let pair = { (part: LineObject) throws(HistoryError) in try part.pair() }
        switch try text("op") {
        case "put": return .put(previous: try optionalObject("previous")?.pair())
        case "range":
            return .range(
                pairs: try list("kvs", pair), count: try optionalInt("count") ?? 0,
                more: try flag("more"))
        case "deleteRange":
            return .deleteRange(
                deleted: try optionalInt("deleted") ?? 0, previous: try list("previous", pair))
        case "txn":
            return .txn(
                succeeded: try flag("succeeded"),
                answers: try list("answers") { part throws(HistoryError) in
                    try part.answer()
                })
        case "compact": return .compact
        case "leaseGrant":
            return .leaseGrant(lease: try int("lease"), seconds: try int("ttl"))
        case "leaseRevoke": return .leaseRevoke
        case "leaseKeepAlive": return .leaseKeepAlive(seconds: try int("ttl"))
        case "leaseTimeToLive":
            var keys: [Bytes]?
            if case .array(let items) = json["keys"] {
                var found: [Bytes] = []
                for item in items { found.append(try LineObject.bytes(item, line, "keys")) }
                keys = found
            }
            return .leaseTimeToLive(
                remaining: try int("remaining"), granted: try optionalInt("granted") ?? 0,
                keys: keys)
        case let word: throw .unknownWord(line: line, field: "op", word: word)
        }
    }

    func pair() throws(HistoryError) -> RecordedPair {
        RecordedPair(
            key: try bytes("key"), value: try optionalBytes("value") ?? Bytes([]),
            createRevision: try optionalInt("create") ?? 0,
            modRevision: try optionalInt("mod") ?? 0,
            version: try optionalInt("version") ?? 0, lease: try optionalInt("lease") ?? 0)
    }

    func event() throws(HistoryError) -> RecordedEvent {
        let previous = try optionalObject("previous")?.pair()
        if let pair = try optionalObject("put")?.pair() {
            return RecordedEvent(.put, pair, previous: previous)
        }
        return RecordedEvent(.delete, try object("delete").pair(), previous: previous)
    }

    func queueCall() throws(HistoryError) -> RecordedQueueCall {
        let word = try text("call")
        guard let kind = RecordedQueueCall.Kind(rawValue: word) else {
            throw .unknownWord(line: line, field: "call", word: word)
        }
        let outcome: RecordedQueueCall.Outcome
        switch try text("outcome") {
        case "ok": outcome = .ok(revision: try int("revision"))
        case "failed": outcome = .failed(try optionalText("error") ?? "")
        case "unknown": outcome = .unknown(try optionalText("error"))
        case let word: throw .unknownWord(line: line, field: "outcome", word: word)
        }
        return RecordedQueueCall(
            id: Int(try int("id")), client: Int(try int("client")),
            member: try optionalInt("member").map { Int($0) }, start: try int("start"),
            end: try optionalInt("end"), kind, name: try bytes("name"),
            lease: try optionalInt("lease") ?? 0,
            value: try optionalBytes("value") ?? Bytes([]),
            key: try optionalBytes("key") ?? Bytes([]),
            created: try optionalInt("created") ?? 0, outcome,
            leader: try optionalObject("leader")?.pair())
    }

    func observation() throws(HistoryError) -> RecordedObservation {
        RecordedObservation(
            id: Int(try int("id")), client: Int(try int("client")),
            member: try optionalInt("member").map { Int($0) }, start: try int("start"),
            name: try bytes("name"))
    }

    func telling() throws(HistoryError) -> RecordedObservation.Telling {
        RecordedObservation.Telling(
            time: try int("time"), revision: try int("revision"),
            try object("leader").pair())
    }

    func watch() throws(HistoryError) -> RecordedWatch {
        RecordedWatch(
            id: Int(try int("id")), client: Int(try int("client")),
            member: try optionalInt("member").map { Int($0) }, start: try int("start"),
            interval: try interval(), startRevision: try optionalInt("startRevision") ?? 0,
            withoutPuts: try flag("withoutPuts"), withoutDeletes: try flag("withoutDeletes"),
            wantsPrevious: try flag("prevKV"), wantsFragments: try flag("fragment"),
            resumes: try optionalInt("resumes").map { Int($0) })
    }

    func response() throws(HistoryError) -> RecordedWatchResponse {
        let body: RecordedWatchResponse.Body
        if try flag("created") {
            body = .created
        } else if try flag("progress") {
            body = .progress
        } else if try flag("canceled") {
            body = .canceled(
                compactRevision: try optionalInt("compactRevision") ?? 0,
                reason: try optionalText("reason") ?? "")
        } else {
            body = .events(
                try list("events") { part throws(HistoryError) in try part.event() })
        }
        return RecordedWatchResponse(
            time: try int("time"), revision: try optionalInt("revision") ?? 0, body,
            isFragment: try flag("fragment"))
    }
}
