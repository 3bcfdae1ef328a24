internal import Backup
internal import Primitives
internal import StateMachine

/// What a restoration made, or would make, for people and for programs.
struct RestoreReport {
    let plan: RestorePlan
    let state: BackupState
    let directory: String
    let name: String
    let isDry: Bool

    /// - Parameter next: what is to be done next, besides a flag for the first start.
    func print(as format: OutputFormat, before next: String) {
        var output = Output()
        switch format {
        case .text: show(next, to: &output)
        case .json: output.line(json())
        }
        output.flush()
    }

    private func show(_ next: String, to output: inout Output) {
        if case .member(_, let index, let term) = state.origin {
            output.line("\(state.path) ends at index \(index), term \(term)")
        }
        let old = plan.oldClusterID.map { " (it was \($0))" } ?? ""
        output.line(
            isDry ? "\(directory) would be member \(name)" : "\(directory) is member \(name)")
        output.line("cluster \(plan.clusterID)\(old)")
        output.table(
            ["MEMBER", "NAME", "PEER URLS"],
            plan.members.map {
                ["\($0.id)", $0.name, $0.peerURLs.joined(separator: ",")]
            })
        let store = plan.store
        output.line(
            "revision \(store.revision) (it was \(plan.oldRevision)), history compacted at"
                + " \(store.compactedRevision); index \(store.appliedIndex), term"
                + " \(store.appliedTerm)")
        output.line(
            "\(store.keyCount) keys, \(store.leases.count) leases with their full time,"
                + " \(store.auth.users.count) users, authentication"
                + (store.auth.isEnabled ? " on" : " off"))
        for task in plan.changes.lostLaunches {
            output.line("note: task \(task) is lost: no agent had confirmed its launch")
        }
        for alarm in plan.changes.alarms {
            output.line("note: alarm \(alarm) is not raised any more")
        }
        for notice in state.notices { output.line("note: \(notice)") }
        if !isDry {
            output.line("\(next) and --initial-cluster-state existing")
        }
    }

    private func json() -> JSONValue {
        var members = described
        if case .member(_, let index, let term) = state.origin {
            members += [
                ("logIndex", .unsigned(index.rawValue)), ("logTerm", .unsigned(term.rawValue)),
            ]
        }
        return .object(members)
    }

    private var described: [(String, JSONValue)] {
        [
            ("dryRun", .bool(isDry)), ("directory", .string(directory)), ("name", .string(name)),
            ("cluster", .string("\(plan.clusterID)")),
            ("oldCluster", plan.oldClusterID.map { .string("\($0)") } ?? .null),
            (
                "members",
                .array(
                    plan.members.map { member in
                        .object([
                            ("id", .string("\(member.id)")), ("name", .string(member.name)),
                            ("peerURLs", .array(member.peerURLs.map { .string($0) })),
                        ])
                    })
            ),
            ("revision", .integer(plan.store.revision.rawValue)),
            ("oldRevision", .integer(plan.oldRevision.rawValue)),
            ("compactedRevision", .integer(plan.store.compactedRevision.rawValue)),
            ("index", .unsigned(plan.store.appliedIndex.rawValue)),
            ("term", .unsigned(plan.store.appliedTerm.rawValue)),
            ("keys", .integer(Int64(plan.store.keyCount))),
            ("leases", .integer(Int64(plan.store.leases.count))),
            ("users", .integer(Int64(plan.store.auth.users.count))),
            (
                "lostLaunches",
                .array(plan.changes.lostLaunches.map { .string("\($0)") })
            ),
            ("notices", .array(state.notices.map { .string($0) })),
        ]
    }
}
