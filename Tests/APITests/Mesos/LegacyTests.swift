import API
import SwiftProtobuf
import Testing

@Suite("The older JSON endpoints of Mesos")
struct LegacyTests {
    private func scalar(_ name: String, _ value: Double) -> MesosResource {
        .with {
            $0.name = name
            $0.type = .scalar
            $0.scalar.value = value
        }
    }

    private func ports(_ ranges: [ClosedRange<UInt64>]) -> MesosResource {
        .with {
            $0.name = "ports"
            $0.type = .ranges
            $0.ranges.range = ranges.map { range in
                .with {
                    $0.begin = range.lowerBound
                    $0.end = range.upperBound
                }
            }
        }
    }

    private func task(
        _ id: String, state: MesosTaskState = .taskRunning, time: Double = 1
    ) -> MesosTask {
        .with { task in
            task.name = "n"
            task.taskID.value = id
            task.frameworkID.value = "f"
            task.agentID.value = "a"
            task.state = state
            task.resources = [scalar("cpus", 1)]
            task.resources[0].allocationInfo.role = "eng"
            task.statuses = [
                .with {
                    $0.state = state
                    $0.timestamp = time
                    $0.containerStatus.containerID.value = "c"
                }
            ]
        }
    }

    private var legacy: LegacyState {
        var state = MesosMasterResponse.GetState()
        state.getAgents.agents = [
            .with { agent in
                agent.agentInfo.id.value = "a"
                agent.agentInfo.hostname = "h"
                agent.agentInfo.attributes = [
                    .with {
                        $0.name = "rack"
                        $0.type = .text
                        $0.text.value = "r1"
                    }
                ]
                agent.active = true
                agent.version = "1.11.0"
                agent.pid = "slave(1)@h:5051"
                agent.registeredTime.nanoseconds = 1_500_000_000
                agent.totalResources = [scalar("cpus", 4), ports([5...9, 10...12, 1...2])]
                agent.totalResources[0].reservations = [.with { $0.role = "eng" }]
                agent.capabilities = [.with { $0.type = .multiRole }]
            }
        ]
        state.getFrameworks.frameworks = [
            .with {
                $0.frameworkInfo.id.value = "f"
                $0.frameworkInfo.name = "demo"
                $0.frameworkInfo.user = "root"
                $0.active = true
                $0.connected = true
                $0.recovered = false
            }
        ]
        state.getTasks.tasks = [task("t1"), task("t2", time: 2)]
        state.getTasks.completedTasks = [task("t0", state: .taskFinished, time: 0)]
        var master = MesosMasterInfo()
        master.id = "m"
        master.pid = "master@127.0.0.1:5050"
        master.hostname = "localhost"
        var version = MesosVersionInfo()
        version.version = "1.11.0"
        var legacy = LegacyState(state: state, master: master, version: version, startTime: 1)
        legacy.leader = master
        legacy.flags = [
            .with {
                $0.name = "quorum"; $0.value = "2"
            }, .with { $0.name = "unset" },
        ]
        return legacy
    }

    private func text(_ body: [UInt8]) -> String { String(decoding: body, as: UTF8.self) }

    private static let taskText = [
        #"{"id":"t2","name":"n","framework_id":"f","executor_id":"","slave_id":"a","#,
        #""state":"TASK_RUNNING","resources":{"cpus":1.0,"disk":0.0,"gpus":0.0,"mem":0.0},"#,
        #""role":"eng","statuses":[{"state":"TASK_RUNNING","timestamp":2.0,"#,
        #""container_status":{"container_id":{"value":"c"}}}]}"#,
    ].joined()

    @Test("a task has its agent as slave_id, plain ids and summed resources")
    func tasks() {
        var query = LegacyState.TaskQuery()
        query.limit = 1
        #expect(text(legacy.tasksBody(query)) == #"{"tasks":[\#(Self.taskText)]}"#)
    }

    @Test("tasks come newest first, by page, and by id")
    func taskQueries() {
        func ids(_ change: (inout LegacyState.TaskQuery) -> Void) -> [String] {
            var query = LegacyState.TaskQuery()
            change(&query)
            let body = text(legacy.tasksBody(query))
            return body.split(separator: #"{"id":""#).dropFirst().map { String($0.prefix(2)) }
        }
        #expect(ids { _ in } == ["t2", "t1", "t0"])
        #expect(ids { $0.isAscending = true } == ["t0", "t1", "t2"])
        #expect(ids { $0.offset = 1 } == ["t1", "t0"])
        #expect(ids { $0.limit = 0 } == [])
        #expect(ids { $0.limit = -1 } == [])
        #expect(ids { $0.offset = -5 } == ["t2", "t1", "t0"])
        #expect(ids { $0.taskID = "t1" } == ["t1"])
        #expect(ids { $0.frameworkID = "g" } == [])
    }

    @Test("an agent's ranges are text, sorted and joined; its reservations are by role")
    func slaves() {
        let body = text(legacy.slavesBody(agentID: "a"))
        let zeros = #""disk":0.0,"gpus":0.0,"mem":0.0"#
        let expected = [
            #"{"slaves":[{"id":"a","hostname":"h","port":5051,"attributes":{"rack":"r1"},"#,
            #""pid":"slave(1)@h:5051","registered_time":1.5,"#,
            #""resources":{"cpus":4.0,\#(zeros),"ports":"[1-2, 5-12]"},"#,
            #""used_resources":{"cpus":0.0,\#(zeros)},"#,
            #""offered_resources":{"cpus":0.0,\#(zeros)},"#,
            #""reserved_resources":{"eng":{"cpus":4.0,\#(zeros)}},"#,
            #""unreserved_resources":{"cpus":0.0,\#(zeros),"ports":"[1-2, 5-12]"},"#,
            #""active":true,"deactivated":false,"version":"1.11.0","#,
            #""capabilities":["MULTI_ROLE"],"reserved_resources_full":{"eng":[{"name":"#,
        ].joined()
        #expect(body.hasPrefix(expected))
        #expect(body.hasSuffix(#""recovered_slaves":[]}"#))
        #expect(text(legacy.slavesBody(agentID: "b")) == #"{"slaves":[],"recovered_slaves":[]}"#)
    }

    @Test("/state has the keys that clients look up, and its tasks within their framework")
    func state() {
        let body = text(legacy.stateBody())
        for key in [
            "version", "start_time", "id", "pid", "hostname", "activated_slaves",
            "deactivated_slaves", "unreachable_slaves", "leader", "leader_info", "flags", "slaves",
            "recovered_slaves", "frameworks", "completed_frameworks", "orphan_tasks",
            "unregistered_frameworks",
        ] {
            #expect(body.contains(#""\#(key)":"#))
        }
        #expect(body.contains(#""activated_slaves":1,"deactivated_slaves":0"#))
        #expect(body.contains(#""leader":"master@127.0.0.1:5050""#))
        #expect(body.contains(#""tasks":[{"id":"t1""#))
        #expect(body.contains(#""completed_tasks":[{"id":"t0""#))
        #expect(!body.contains("elected_time") && !body.contains("cluster"))
    }

    @Test("/state-summary counts tasks by state, for agents and for frameworks")
    func summary() {
        let counts = [
            #""TASK_STAGING":0,"TASK_STARTING":0,"TASK_RUNNING":2,"TASK_KILLING":0,"#,
            #""TASK_FINISHED":1,"TASK_KILLED":0,"TASK_FAILED":0,"TASK_LOST":0,"TASK_ERROR":0,"#,
            #""TASK_UNREACHABLE":0"#,
        ].joined()
        let body = text(legacy.summaryBody())
        #expect(body.contains(counts + #","framework_ids":["f"]"#))
        #expect(body.contains(counts + #","slave_ids":["a"]"#))
    }

    @Test("flags, version, metrics and roles are flat objects")
    func flat() {
        #expect(text(legacy.flagsBody()) == #"{"flags":{"quorum":"2"}}"#)
        #expect(
            text(legacy.versionBody())
                == #"{"version":"1.11.0","build_date":"","build_time":0.0,"build_user":""}"#)
        let metrics = [
            MesosMetric.with {
                $0.name = "master/elected"
                $0.value = 1
            },
            .with { $0.name = "absent" },
            .with {
                $0.name = "nan"
                $0.value = .nan
            },
        ]
        #expect(
            text(LegacyState.metricsBody(metrics)) == #"{"master/elected":1.0,"nan":null}"#)
        var role = LegacyState.RoleView(name: "eng")
        role.limits = ["mem": 2, "cpus": 1]
        role.frameworkIDs = ["f"]
        let none = #"{"cpus":0.0,"disk":0.0,"gpus":0.0,"mem":0.0}"#
        let expected = [
            #"{"roles":[{"name":"eng","weight":1.0,"quota":{"role":"eng","guarantee":{},"#,
            #""limit":{"cpus":1.0,"mem":2.0},"consumed":\#(none)},"resources":\#(none),"#,
            #""allocated":\#(none),"offered":\#(none),"reserved":\#(none),"#,
            #""frameworks":["f"]}]}"#,
        ].joined()
        #expect(text(LegacyState.rolesBody([role])) == expected)
    }

    @Test("text is escaped, and ranges at the end of their type do not overflow")
    func edges() {
        var writer = JSONWriter()
        writer.element("\"\\\n\u{1F}\u{7F}é")
        #expect(text(writer.text) == #""\"\\\n\u001f\u007fé""#)
        var full = legacy
        full.state.getAgents.agents[0].totalResources = [ports([0...UInt64.max, 3...4])]
        #expect(text(full.slavesBody()).contains(#""ports":"[0-18446744073709551615]""#))
    }
}
