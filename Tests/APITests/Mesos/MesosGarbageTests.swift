import API
import SwiftProtobuf
import Testing

@Suite("Garbage in place of Mesos messages")
struct MesosGarbageTests {
    /// A call with a part of each kind: messages in lists, maps, enums, numbers, bytes.
    static let call: MesosSchedulerCall = {
        var task = MesosTaskInfo()
        task.name = "n"
        task.taskID.value = "t"
        task.agentID.value = "a"
        task.resources = [
            .with {
                $0.name = "cpus"
                $0.type = .scalar
                $0.scalar.value = 0.25
            },
            .with {
                $0.name = "ports"
                $0.type = .ranges
                $0.ranges.range = [
                    .with {
                        $0.begin = 1
                        $0.end = 2
                    }
                ]
            },
        ]
        task.command.value = "sleep 1"
        task.command.environment.variables = [.with { $0.name = "A" }]
        task.data = .init(wire: [0, 1, 255])
        task.limits["mem"] = .with { $0.value = .infinity }
        task.healthCheck.http.port = 80
        task.healthCheck.http.statuses = [200, 204]
        task.container.type = .mesos
        task.container.networkInfos = [.with { $0.groups = ["g"] }]
        task.maxCompletionTime.nanoseconds = -1
        var call = MesosSchedulerCall()
        call.type = .accept
        call.frameworkID.value = "f"
        call.accept.offerIds = [.with { $0.value = "o" }]
        call.accept.operations = [
            .with {
                $0.type = .launch
                $0.launch.taskInfos = [task]
            }
        ]
        call.accept.filters.refuseSeconds = 5
        call.subscribe.frameworkInfo.user = "u"
        call.subscribe.frameworkInfo.name = "n"
        call.subscribe.offerConstraints.roleConstraints["r"] = .with {
            $0.groups = [
                .with {
                    $0.attributeConstraints = [
                        .with {
                            $0.selector.pseudoattributeType = .zone
                            $0.predicate.textMatches.regex = "a.*"
                        }
                    ]
                }
            ]
        }
        return call
    }()

    private static func mutate(_ bytes: [UInt8], _ random: inout RandomBytes) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.below(4) {
            let place = random.below(bytes.count)
            switch random.below(6) {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes[place] ^= 1 << UInt8(random.below(8))
            case 2: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            case 3: bytes.remove(at: place)
            case 4: bytes.insert(contentsOf: bytes[place..<min(place + 9, bytes.count)], at: place)
            default: bytes.removeSubrange(place..<min(place + random.below(9), bytes.count))
            }
            if bytes.isEmpty { return [0] }
        }
        return bytes
    }

    @Test(
        "100,000 damaged calls never trap, and what is still read survives a round trip",
        arguments: [MesosMessage.Encoding.json, .protobuf])
    func damaged(encoding: MesosMessage.Encoding) throws {
        var random = RandomBytes(seed: encoding == .json ? 1 : 2)
        let whole = MesosMessage.encode(Self.call, as: encoding)
        #expect(
            try MesosMessage.decode(MesosSchedulerCall.self, from: whole, as: encoding)
                == Self.call)
        var read = 0
        for _ in 0..<50_000 {
            let bytes = Self.mutate(whole, &random)
            do throws(MesosDecodingError) {
                let call = try MesosMessage.decode(
                    MesosSchedulerCall.self, from: bytes, as: encoding)
                read += 1
                let json = MesosJSON.encode(call)
                let again = try MesosJSON.decode(MesosSchedulerCall.self, from: json)
                #expect(MesosJSON.encode(again) == json)
                let binary = MesosMessage.encode(call, as: .protobuf)
                let third = try MesosMessage.decode(
                    MesosSchedulerCall.self, from: binary, as: .protobuf)
                #expect(MesosJSON.encode(third) == json)
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        // Neither all nor none: the damage is of a size that reaches far.
        #expect((1_000..<49_000).contains(read))
    }

    @Test("random bytes and random JSON-like text never trap")
    func random() {
        var random = RandomBytes(seed: 3)
        let alphabet = Array(#"{}[]",:\u0123456789.-+eEtrufalsn {"type":{"accept":["#.utf8)
        for round in 0..<20_000 {
            let count = random.below(60)
            let isText = round.isMultiple(of: 2)
            let bytes: [UInt8] = (0..<count).map { _ in
                isText
                    ? alphabet[random.below(alphabet.count)]
                    : UInt8(truncatingIfNeeded: random.next())
            }
            for encoding in [MesosMessage.Encoding.json, .protobuf] {
                _ = try? MesosMessage.decode(MesosSchedulerCall.self, from: bytes, as: encoding)
                _ = try? MesosMessage.decode(MesosMasterResponse.self, from: bytes, as: encoding)
            }
        }
    }

    @Test("random headers never trap")
    func headers() {
        var random = RandomBytes(seed: 4)
        let alphabet = Array("application/json;q=0.1,*x-protbufé \t\"".unicodeScalars)
        for _ in 0..<20_000 {
            var header = String.UnicodeScalarView()
            for _ in 0..<random.below(40) { header.append(alphabet[random.below(alphabet.count)]) }
            let text = String(header)
            _ = try? MesosEncodings.request(
                contentType: text, messageContentType: text, allowsStream: true)
            _ = try? MesosEncodings.response(
                accept: text, messageAccept: text, allowsRecordIO: true)
            _ = MesosName.problem(ofRole: text)
            _ = MesosName.problem(ofID: text)
        }
    }
}
