internal import KeelsonClient

// How answers are printed. The JSON has the names that etcdctl's has, so that scripts fit both.

extension AnswerHeader {
    var json: JSONValue {
        .object([
            ("cluster_id", .unsigned(clusterID)), ("member_id", .unsigned(memberID)),
            ("revision", .integer(revision)), ("raft_term", .unsigned(raftTerm)),
        ])
    }
}

extension KeyValue {
    var json: JSONValue {
        var members: [(String, JSONValue)] = [("key", .base64(key))]
        if createRevision != 0 { members.append(("create_revision", .integer(createRevision))) }
        members.append(("mod_revision", .integer(modRevision)))
        if version != 0 { members.append(("version", .integer(version))) }
        if !value.isEmpty { members.append(("value", .base64(value))) }
        if lease != 0 { members.append(("lease", .integer(lease))) }
        return .object(members)
    }
}

extension GetResult {
    var json: JSONValue {
        var members: [(String, JSONValue)] = [("header", header.json)]
        if !keyValues.isEmpty { members.append(("kvs", .array(keyValues.map(\.json)))) }
        if more { members.append(("more", .bool(true))) }
        members.append(("count", .integer(count)))
        return .object(members)
    }

    func print(to output: inout Output, keysOnly: Bool = false, valuesOnly: Bool = false) {
        for pair in keyValues {
            if !valuesOnly { output.line(pair.key) }
            output.line(keysOnly ? [] : pair.value)
        }
    }
}

extension PutResult {
    var json: JSONValue {
        .object([("header", header.json)] + (previous.map { [("prev_kv", $0.json)] } ?? []))
    }

    func print(to output: inout Output) {
        output.line("OK")
        if let previous {
            output.line(previous.key)
            output.line(previous.value)
        }
    }
}

extension DeleteResult {
    var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("header", header.json), ("deleted", .integer(deletedCount)),
        ]
        if !previous.isEmpty { members.append(("prev_kvs", .array(previous.map(\.json)))) }
        return .object(members)
    }

    func print(to output: inout Output) {
        output.line("\(deletedCount)")
        for pair in previous {
            output.line(pair.key)
            output.line(pair.value)
        }
    }
}

extension TransactionResult {
    var json: JSONValue {
        .object([
            ("header", header.json), ("succeeded", .bool(succeeded)),
            (
                "responses",
                .array(
                    answers.map { answer in
                        switch answer {
                        case .get(let result): .object([("response_range", result.json)])
                        case .put(let result): .object([("response_put", result.json)])
                        case .delete(let result):
                            .object([("response_delete_range", result.json)])
                        case .transaction(let result): .object([("response_txn", result.json)])
                        }
                    })
            ),
        ])
    }

    func print(to output: inout Output) {
        output.line(succeeded ? "SUCCESS" : "FAILURE")
        for answer in answers {
            output.line("")
            switch answer {
            case .get(let result): result.print(to: &output)
            case .put(let result): result.print(to: &output)
            case .delete(let result): result.print(to: &output)
            case .transaction(let result): result.print(to: &output)
            }
        }
    }
}

extension WatchUpdate {
    var json: JSONValue {
        .object([
            ("header", header.json),
            (
                "events",
                .array(
                    events.map { event in
                        var members: [(String, JSONValue)] = []
                        if event.kind == .delete { members.append(("type", .string("DELETE"))) }
                        members.append(("kv", event.keyValue.json))
                        if let previous = event.previous {
                            members.append(("prev_kv", previous.json))
                        }
                        return .object(members)
                    })
            ),
        ])
    }

    func print(to output: inout Output) {
        for event in events {
            output.line(event.kind == .put ? "PUT" : "DELETE")
            if let previous = event.previous {
                output.line(previous.key)
                output.line(previous.value)
            }
            output.line(event.keyValue.key)
            if event.kind == .put { output.line(event.keyValue.value) }
        }
    }
}
