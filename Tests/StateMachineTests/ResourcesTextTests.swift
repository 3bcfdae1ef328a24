import StateMachine
import Testing

@Suite("Resources: as text (Mesos, docs/attributes-resources.md)")
struct ResourcesTextTests {
    @Test(
        "what is printed can be read again",
        arguments: [
            "", "cpus:4", "cpus:0.001", "cpus:1.005;mem:2048", "cpus:4;cpus(role):2",
            "ports:[31000-31999,32000-32010]", "zone:{a,b}", "cpus(a/b):2;zone(c):{x}",
            "cpus:10000000000",
        ])
    func roundTrip(text: String) throws {
        let parsed = try ResourcesParser.parse(text)
        #expect(try ResourcesParser.parse("\(parsed)") == parsed)
        if !text.contains("31999") { #expect("\(parsed)" == text) }
    }

    @Test("white space, empty parts, other orders and everybody's role change nothing")
    func leniency() throws {
        let text = " mem : 1 ;; cpus( a ):2; ports:[ 1 - 2 , 5-5 ]; d(*):1;"
        let one = try ResourcesParser.parse(text)
        #expect(one == (try ResourcesParser.parse("cpus(a):2;mem:1;ports:[1-2,5-5];d:1")))
    }

    @Test("an error says where, what and why")
    func errors() {
        let cases: [(String, Int, String, ResourcesParseError.Reason)] = [
            ("cpus:4;mem", 7, "mem", .missingColon),
            ("cpus:4;:3", 7, ":3", .missingName),
            ("cpus:", 0, "cpus:", .missingValue),
            ("cpus(a:4", 0, "cpus(a", .unclosed(")")),
            ("ports:[1-2", 6, "[1-2", .unclosed("]")),
            ("zone:{a", 5, "{a", .unclosed("}")),
            ("cpus:x", 5, "x", .notAValue),
            ("cpus:-1", 5, "-1", .notANumber),
            ("cpus:1e3", 5, "1e3", .notANumber),
            ("cpus:1.2.3", 5, "1.2.3", .notANumber),
            ("cpus:1.", 5, "1.", .notANumber),
            ("cpus:10000000000.001", 5, "10000000000.001", .notANumber),
            ("ports:[5-4]", 7, "5-4", .notARange),
            ("ports:[1]", 7, "1", .notARange),
            ("ports:[1-18446744073709551616]", 7, "1-18446744073709551616", .notARange),
            ("zone:{a,,b}", 8, "", .emptyItem),
            ("zone:{a,a}", 6, "a,a", .refused(.duplicateItem("a"))),
            ("cpus(a/..):1", 0, "cpus(a/..):1", .refused(.invalidRole("a/.."))),
            ("c pus:1", 0, "c pus:1", .refused(.invalidName("c pus"))),
        ]
        for (text, offset, part, reason) in cases {
            #expect(
                throws: ResourcesParseError(offset: offset, part: part, reason: reason), "\(text)"
            ) { try ResourcesParser.parse(text) }
        }
    }

    @Test("an error is a sentence for people")
    func sentence() {
        let error = ResourcesParseError(offset: 7, part: "mem", reason: .missingColon)
        #expect("\(error)" == "at byte 7, 'mem': expected 'name:value'")
    }

    @Test("what the parser has no form for is printed for people")
    func others() throws {
        let stack = [
            Reservation(.fixed, role: "a"),
            Reservation(
                .dynamic, role: "a/b", principal: "p", labels: [.init(key: "k", value: "v")]),
        ]
        let disk = DiskInformation(persistence: .init(id: "id"), containerPath: "path")
        let volume = try Resources([
            ResourceEntry("disk", .scalar(1_000), reservations: stack, disk: disk, isShared: true)
        ])
        let list = "[(STATIC,a),(DYNAMIC,a/b,p,{k: v})]"
        #expect("\(volume)" == "disk(reservations: \(list))[id:path]<SHARED>:1")
    }
}
