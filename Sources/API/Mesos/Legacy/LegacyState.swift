/// What the older JSON endpoints of the master are made from: what GET_STATE answers, and the
/// master itself. Each function writes the body of one endpoint; the paths are in its name.
///
/// Field names are those of Mesos 1.11. `frameworks` of a master that keeps all frameworks in its
/// log are never merely recovered, so `recovered_slaves` and `orphan_tasks` are always empty.
package struct LegacyState: Sendable {
    package var state: MesosMasterResponse.GetState
    package var master: MesosMasterInfo
    package var version: MesosVersionInfo
    package var flags: [MesosFlag] = []
    /// Seconds since the epoch.
    package var startTime: Double
    package var electedTime: Double?
    /// The leader, which may be another node than this.
    package var leader: MesosMasterInfo?
    package var cluster: String?
    package var unreachableAgents = 0

    package init(
        state: MesosMasterResponse.GetState, master: MesosMasterInfo, version: MesosVersionInfo,
        startTime: Double
    ) {
        self.state = state
        self.master = master
        self.version = version
        self.startTime = startTime
    }

    private typealias Agent = MesosMasterResponse.GetAgents.Agent
    private typealias Framework = MesosMasterResponse.GetFrameworks.Framework

    /// `/state`
    package func stateBody() -> [UInt8] {
        let index = TaskIndex(state)
        return JSONWriter.object { writer in
            writeVersion(into: &writer)
            writer.field("start_time", startTime)
            if let electedTime { writer.field("elected_time", electedTime) }
            writer.field("id", master.id)
            writer.field("pid", master.pid)
            writer.field("hostname", master.hostname)
            writer.capabilities(master.capabilities.compactMap(\.name))
            let active = state.getAgents.agents.count { $0.active }
            writer.field("activated_slaves", active)
            writer.field("deactivated_slaves", state.getAgents.agents.count - active)
            writer.field("unreachable_slaves", unreachableAgents)
            if master.hasDomain { writer.field("domain", json: MesosJSON.encode(master.domain)) }
            if let leader { writeLeader(leader, into: &writer) }
            writer.field("cluster", ifSet: cluster)
            writeFlags(into: &writer)
            writer.array("slaves", of: state.getAgents.agents) {
                LegacyObjects.write($1, into: &$0)
            }
            writer.array("recovered_slaves", of: state.getAgents.recoveredAgents) {
                LegacyObjects.writeAgentInfo($1, into: &$0)
            }
            writeFrameworks(index, into: &writer)
            writer.array("orphan_tasks") { _ in }
            writer.array("unregistered_frameworks") { _ in }
        }
    }

    /// `/state-summary`
    package func summaryBody() -> [UInt8] {
        let index = TaskIndex(state)
        return JSONWriter.object { writer in
            writer.field("hostname", master.hostname)
            writer.field("cluster", ifSet: cluster)
            writer.array("slaves", of: state.getAgents.agents) { writer, agent in
                LegacyObjects.write(agent, into: &writer)
                let id = agent.agentInfo.id.value
                TaskIndex.writeCounts(of: index.byAgent[id] ?? [], into: &writer)
                writer.array("framework_ids", of: index.frameworks(onAgent: id))
            }
            writer.array("frameworks", of: state.getFrameworks.frameworks) { writer, framework in
                LegacyObjects.writeSummary(framework, into: &writer)
                let id = framework.frameworkInfo.id.value
                TaskIndex.writeCounts(of: index.byFramework[id]?.all ?? [], into: &writer)
                writer.array("slave_ids", of: index.agents(ofFramework: id))
            }
        }
    }

    /// `/slaves`, or one of them (`slave_id=`).
    package func slavesBody(agentID: String? = nil) -> [UInt8] {
        JSONWriter.object { writer in
            let agents = state.getAgents.agents.filter {
                agentID == nil || $0.agentInfo.id.value == agentID
            }
            writer.array("slaves", of: agents) { writer, agent in
                LegacyObjects.write(agent, into: &writer)
                LegacyObjects.writeFullResources(agent, into: &writer)
            }
            writer.array("recovered_slaves", of: state.getAgents.recoveredAgents) {
                LegacyObjects.writeAgentInfo($1, into: &$0)
            }
        }
    }

    /// `/frameworks`, or one of them (`framework_id=`).
    package func frameworksBody(frameworkID: String? = nil) -> [UInt8] {
        let index = TaskIndex(state)
        return JSONWriter.object { writer in
            writeFrameworks(index, only: frameworkID, into: &writer)
            writer.array("unregistered_frameworks") { _ in }
        }
    }

    /// `/flags`
    package func flagsBody() -> [UInt8] {
        JSONWriter.object { writeFlags(into: &$0) }
    }

    /// `/version`
    package func versionBody() -> [UInt8] {
        JSONWriter.object { writeVersion(into: &$0) }
    }

    /// `/metrics/snapshot`: one object with a number for each name.
    package static func metricsBody(_ metrics: [MesosMetric]) -> [UInt8] {
        JSONWriter.object { writer in
            for metric in metrics where metric.hasValue { writer.field(metric.name, metric.value) }
        }
    }

    private func writeVersion(into writer: inout JSONWriter) {
        writer.field("version", version.version)
        writer.field("git_sha", ifSet: version.hasGitSha ? version.gitSha : nil)
        writer.field("git_branch", ifSet: version.hasGitBranch ? version.gitBranch : nil)
        writer.field("git_tag", ifSet: version.hasGitTag ? version.gitTag : nil)
        writer.field("build_date", version.buildDate)
        writer.field("build_time", version.buildTime)
        writer.field("build_user", version.buildUser)
    }

    private func writeLeader(_ leader: MesosMasterInfo, into writer: inout JSONWriter) {
        writer.field("leader", leader.pid)
        writer.object("leader_info") { writer in
            writer.field("id", leader.id)
            writer.field("pid", leader.pid)
            writer.field("port", leader.port)
            writer.field("hostname", leader.hostname)
            if leader.hasDomain { writer.field("domain", json: MesosJSON.encode(leader.domain)) }
        }
    }

    private func writeFlags(into writer: inout JSONWriter) {
        writer.object("flags") { writer in
            for flag in flags where flag.hasValue { writer.field(flag.name, flag.value) }
        }
    }

    private func writeFrameworks(
        _ index: TaskIndex, only id: String? = nil, into writer: inout JSONWriter
    ) {
        func chosen(_ frameworks: [Framework]) -> [Framework] {
            frameworks.filter { id == nil || $0.frameworkInfo.id.value == id }
        }
        writer.array("frameworks", of: chosen(state.getFrameworks.frameworks)) {
            write($1, index, into: &$0)
        }
        writer.array("completed_frameworks", of: chosen(state.getFrameworks.completedFrameworks)) {
            write($1, index, into: &$0)
        }
    }

    private func write(
        _ framework: Framework, _ index: TaskIndex, into writer: inout JSONWriter
    ) {
        LegacyObjects.writeSummary(framework, into: &writer)
        let info = framework.frameworkInfo
        let tasks = index.byFramework[info.id.value] ?? .init()
        writer.field("user", info.user)
        writer.field("failover_timeout", info.failoverTimeout)
        writer.field("checkpoint", info.checkpoint)
        writer.field("registered_time", framework.registeredTime.seconds)
        writer.field("unregistered_time", framework.unregisteredTime.seconds)
        writer.field("principal", ifSet: info.hasPrincipal ? info.principal : nil)
        writer.resources("resources", framework.allocatedResources + framework.offeredResources)
        if framework.hasReregisteredTime, framework.reregisteredTime != framework.registeredTime {
            writer.field("reregistered_time", framework.reregisteredTime.seconds)
        }
        if info.isMultiRole {
            writer.array("roles", of: info.roles)
        } else {
            writer.field("role", info.role)
        }
        writer.array("tasks", of: tasks.live) { LegacyObjects.write($1, into: &$0) }
        writer.array("unreachable_tasks", of: tasks.unreachable) {
            LegacyObjects.write($1, into: &$0)
        }
        writer.array("completed_tasks", of: tasks.completed) { LegacyObjects.write($1, into: &$0) }
        writer.array("offers", of: framework.offers) { LegacyObjects.write($1, into: &$0) }
        writer.array("executors", of: index.executors[info.id.value] ?? []) {
            LegacyObjects.write($1, into: &$0)
        }
        if info.hasLabels { writer.labels(info.labels) }
        writer.field("offer_constraints", json: MesosJSON.encode(framework.offerConstraints))
    }
}
