internal import API
internal import ArgumentParser
internal import ControlPlane
internal import KeelsonClient
internal import StateMachine

extension MasterQuestion {
    /// A call of Mesos' operator API.
    /// - Throws: ``Failure``, with what the master says.
    func call(
        _ type: MesosMasterCall.TypeEnum, _ fill: (inout MesosMasterCall) -> Void
    ) async throws {
        var call = MesosMasterCall()
        call.type = type
        fill(&call)
        _ = try await post(MesosMessage.encode(call, as: .protobuf))
    }
}

extension ClusterOptions {
    /// Has the master do something about what the records are asked for first.
    /// - Parameter body: is given the records and the master, and answers with what to print.
    func operate(
        _ body: (DatacenterRecords, MasterQuestion) async throws -> String
    ) async throws {
        let line = try await withCluster { cluster in
            let records = try await DatacenterRecords.read(cluster)
            return try await body(records, try await MasterQuestion(cluster, timeout.duration))
        }
        guard format == .text else { return }
        var output = Output()
        output.line(line)
        output.flush()
    }
}

/// Resources as they are typed: `cpus:2;mem:512`.
enum ResourceWords {
    static let example = "an example: 'cpus:2;mem:512;ports:[31000-31009]'"

    static func parse(_ text: String, _ what: String) throws(Failure) -> Resources {
        do throws(ResourcesParseError) {
            return try ResourcesParser.parse(text)
        } catch {
            throw Failure(.usage, "\(what) '\(text)' cannot be used: \(error)", advice: example)
        }
    }

    /// Scalars by name.
    static func quantities(
        _ text: String?, _ what: String
    ) throws(Failure) -> [String: MesosValue.Scalar] {
        guard let text else { return [:] }
        var quantities: [String: MesosValue.Scalar] = [:]
        for entry in try parse(text, what).entries {
            guard case .scalar(let amount) = entry.value, !entry.isReserved else {
                throw Failure(
                    .usage, "\(what) '\(text)' cannot be used: only plain amounts have a quota",
                    advice: "an example: 'cpus:8;mem:16384'")
            }
            quantities[entry.name.text, default: .init()].value += Double(amount) / 1_000
        }
        return quantities
    }
}
