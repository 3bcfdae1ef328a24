import API
import SwiftProtobuf
import Testing

@Suite("Media types of the Mesos API")
struct MesosContentTypeTests {
    private typealias Request = (encoding: MesosMessage.Encoding, isStream: Bool)

    private func status(_ work: () throws(MesosRefusal) -> Void) -> Int? {
        do throws(MesosRefusal) {
            try work()
            return nil
        } catch {
            return error.status
        }
    }

    @Test(
        "a request's type is read whatever its case and parameters",
        arguments: [
            ("application/json", MesosMessage.Encoding.json),
            ("application/x-protobuf", .protobuf),
            ("Application/JSON; charset=utf-8", .json), (" application/json ;x", .json),
        ])
    func request(header: String, encoding: MesosMessage.Encoding) throws {
        let request = try MesosEncodings.request(contentType: header)
        #expect(request.encoding == encoding && !request.isStream)
    }

    @Test("without a type a request is 400, with another 415")
    func refusedRequests() {
        #expect(
            status { () throws(MesosRefusal) in try _ = MesosEncodings.request(contentType: nil) }
                == 400)
        for type in ["", "text/plain", "application/json2", "application/recordio", ";"] {
            #expect(
                status { () throws(MesosRefusal) in
                    try _ = MesosEncodings.request(contentType: type)
                } == 415)
        }
    }

    @Test("a stream of requests needs the type of its messages, and nothing else may have one")
    func requestStreams() throws {
        let stream = try MesosEncodings.request(
            contentType: "application/recordio", messageContentType: "application/x-protobuf",
            allowsStream: true)
        #expect(stream.encoding == .protobuf && stream.isStream)
        let cases: [(String, String?, Int)] = [
            ("application/recordio", nil, 400), ("application/recordio", "text/plain", 415),
            ("application/recordio", "application/recordio", 415),
            ("application/json", "application/json", 415),
        ]
        for (type, message, expected) in cases {
            let found = status { () throws(MesosRefusal) in
                try _ = MesosEncodings.request(
                    contentType: type, messageContentType: message, allowsStream: true)
            }
            #expect(found == expected)
        }
    }

    @Test(
        "an answer has the type that is accepted most, JSON among equals",
        arguments: [
            (nil, MesosMessage.Encoding.json), ("*/*", .json), ("application/*", .json),
            ("application/x-protobuf", .protobuf), ("APPLICATION/X-PROTOBUF", .protobuf),
            ("application/x-protobuf, application/json", .json),
            ("application/json;q=0.5, application/x-protobuf", .protobuf),
            ("application/json; q=0, */*", .protobuf),
            ("application/x-protobuf;q=0.001", .protobuf),
            ("text/html, application/json;v=1;q=0.9", .json),
            ("application/json;q=0.3,application/x-protobuf;q=0.29", .json),
        ])
    func answer(accept: String?, encoding: MesosMessage.Encoding) throws {
        #expect(try MesosEncodings.response(accept: accept).encoding == encoding)
    }

    @Test(
        "an answer that is not accepted is 406",
        arguments: [
            "", "text/html", "application/json;q=0", "application/json;q=0.000", "*/*;q=0",
            "application/recordio", "application/json;q=high", "application/json;q=2",
            "application/json;q=0.5000", "application/json;q=", ",,;;,",
        ])
    func refusedAnswers(accept: String) {
        #expect(
            status { () throws(MesosRefusal) in try _ = MesosEncodings.response(accept: accept) }
                == 406)
    }

    @Test("a stream of answers has the type of its messages from Message-Accept")
    func answerStreams() throws {
        let stream = try MesosEncodings.response(
            accept: "application/recordio", messageAccept: "application/x-protobuf",
            allowsRecordIO: true)
        #expect(stream.encoding == .protobuf && stream.isRecordIO)
        let plain = try MesosEncodings.response(
            accept: "application/recordio", allowsRecordIO: true)
        #expect(plain.encoding == .json && plain.isRecordIO)
        let refused: [(String, String)] = [
            ("application/recordio", "text/plain"), ("application/json", "application/json"),
        ]
        for (accept, message) in refused {
            let found = status { () throws(MesosRefusal) in
                try _ = MesosEncodings.response(
                    accept: accept, messageAccept: message, allowsRecordIO: true)
            }
            #expect(found == 406)
        }
    }
}

@Suite("Names in the Mesos API")
struct MesosNameTests {
    @Test("an id has 1 to 255 bytes, no slashes, no control characters, and is no dot")
    func ids() {
        for id in ["a", "...", "20150101-1.S0", "é b", String(repeating: "x", count: 255)] {
            #expect(MesosName.problem(ofID: id) == nil)
        }
        let refused = [
            "", ".", "..", "a/b", "a\\b", "a\n", "\u{0}", "\u{7F}", "\u{1F}",
            String(repeating: "x", count: 256), String(repeating: "é", count: 128),
        ]
        for id in refused { #expect(MesosName.problem(ofID: id) != nil) }
    }

    @Test("a role is a path without empty parts, dots, stars, dashes in front and white space")
    func roles() {
        for role in ["*", "a", "eng/web", "a-b", "é", "a.b/..c"] {
            #expect(MesosName.problem(ofRole: role) == nil)
        }
        let refused = [
            "", "/", "/a", "a/", "a//b", ".", "a/..", "a/*", "-a", "a/-b", "a b", "a\tb", "a\u{7F}",
        ]
        for role in refused { #expect(MesosName.problem(ofRole: role) != nil) }
    }

    @Test("the roles above a role are its parents, nearest first")
    func ancestors() {
        #expect(MesosName.ancestors(ofRole: "a/b/c") == ["a/b", "a"])
        #expect(MesosName.ancestors(ofRole: "a") == [])
        #expect(MesosName.ancestors(ofRole: "") == [])
    }

    @Test("a framework names its roles in the field that its capabilities call for")
    func frameworkRoles() {
        var info = MesosFrameworkInfo()
        #expect(info.problem == nil && info.effectiveRoles == ["*"])
        info.role = "eng"
        #expect(info.problem == nil && info.effectiveRoles == ["eng"])
        info.role = "/eng"
        #expect(info.problem?.hasPrefix("'FrameworkInfo.role' is not a valid role") == true)
        info.capabilities = [.with { $0.type = .multiRole }]
        #expect(info.problem?.hasPrefix("'FrameworkInfo.role' must not be set") == true)
        info.clearRole()
        info.roles = ["b", "a", "b"]
        #expect(info.problem == "'FrameworkInfo.roles' contains duplicate items: 'b'")
        info.roles = ["b", "a"]
        #expect(info.problem == nil && info.effectiveRoles == ["b", "a"])
        info.capabilities = []
        #expect(info.problem?.hasPrefix("'FrameworkInfo.roles' must not be set") == true)
    }

    @Test("a framework's id, timeout and filters are looked at")
    func frameworkFields() {
        for timeout in [-1, .nan, .infinity, 1e10] {
            #expect(MesosFrameworkInfo.with { $0.failoverTimeout = timeout }.problem != nil)
        }
        #expect(MesosFrameworkInfo.with { $0.failoverTimeout = 604_800 }.problem == nil)
        #expect(MesosFrameworkInfo.with { $0.id.value = "" }.problem == nil)
        #expect(MesosFrameworkInfo.with { $0.id.value = "a/b" }.problem != nil)
        let negative = MesosFrameworkInfo.with { info in
            info.offerFilters["*"] = .with {
                $0.minAllocatableResources.quantities = [
                    .with { $0.quantities["cpus"] = .with { $0.value = -1 } }
                ]
            }
        }
        #expect(negative.problem == "Invalid quantity of 'cpus' in the offer filters of '*'")
    }
}
