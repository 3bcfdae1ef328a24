internal import API
internal import Logging
internal import NIOCore
internal import StateMachine

/// What a dashboard is told, before it is text.
enum DashboardNotice: Sendable {
    case state(DatacenterSnapshot)
    case changes(DashboardChanges)
    case overview(ClusterOverview)

    /// About what it takes while it waits; a snapshot shares its records with the node.
    var byteCount: Int {
        switch self {
        case .state: 256
        case .changes(let changes): changes.byteCount
        case .overview: 4_096
        }
    }

    /// One event of a `text/event-stream` (WHATWG HTML, 9.2).
    var event: [UInt8] {
        let (name, json) =
            switch self {
            case .state(let snapshot): ("state", DashboardRecords.state(snapshot))
            case .changes(let changes): ("changes", changes.json())
            case .overview(let overview): ("overview", overview.json())
            }
        // The text has no line break: JSON's are escaped.
        return Array("event: \(name)\ndata: ".utf8) + json + Array("\n\n".utf8)
    }
}

/// The records that one batch of entries changed, each as it is behind it.
struct DashboardChanges: Sendable {
    var revision: Int64
    var agents: [AgentRecord] = []
    var frameworks: [FrameworkRecord] = []
    var tasks: [(record: TaskRecord, launch: [UInt8]?)] = []
    var goneTasks: [TaskKey] = []
    var goneFrameworks: [FrameworkID] = []
    /// Services, their instances or deployments are others; they are asked for where they are
    /// looked at.
    var touchesServices = false

    init(_ changes: [DatacenterChange], _ facade: any DatacenterFacade) {
        revision = facade.revision
        let table = facade.table
        var seenTasks: Set<TaskKey> = []
        var seenAgents: Set<AgentID> = []
        for change in changes {
            switch change {
            case .task(let key):
                guard seenTasks.insert(key).inserted else { continue }
                add(key, table.tasks[key], facade)
            case .agent(let id):
                guard seenAgents.insert(id).inserted, let agent = table.agents[id] else {
                    continue
                }
                agents.append(agent.record)
            case .framework(let id):
                if let framework = table.frameworks[id] {
                    frameworks.append(framework.record)
                } else {
                    goneFrameworks.append(id)
                }
            case .service, .instance, .deployment: touchesServices = true
            case .executor, .role, .master: break
            }
        }
    }

    /// What a task was launched with never changes: it is told while the launch is news.
    private mutating func add(
        _ key: TaskKey, _ record: TaskRecord?, _ facade: any DatacenterFacade
    ) {
        guard let record else { return goneTasks.append(key) }
        let isNews = record.steps.count <= 1
        tasks.append((record, isNews ? facade.launchInfo(of: key) : nil))
    }

    var isEmpty: Bool {
        agents.isEmpty && frameworks.isEmpty && tasks.isEmpty && goneTasks.isEmpty
            && goneFrameworks.isEmpty && !touchesServices
    }

    var byteCount: Int {
        256 + 512 * (agents.count + frameworks.count) + 64 * goneTasks.count
            + tasks.reduce(0) { $0 + 512 + ($1.launch?.count ?? 0) }
    }

    func json() -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("revision", revision)
            writer.array("agents", of: agents) { DashboardRecords.write($1, into: &$0) }
            writer.array("frameworks", of: frameworks) { DashboardRecords.write($1, into: &$0) }
            writer.array("tasks", of: tasks) { writer, task in
                DashboardRecords.write(task.record, launch: task.launch, into: &writer)
            }
            writer.array("gone_tasks", of: goneTasks.map(\.description))
            writer.array("gone_frameworks", of: goneFrameworks.map(\.description))
            if touchesServices { writer.field("services", true) }
        }
    }
}

/// Follows what is applied, and tells the dashboards that look on. Confined to the node's event
/// loop; it costs nothing while nobody does.
final class DashboardFeed {
    private let facade: any DatacenterFacade
    private let settings: SurfaceSettings
    private let logger: Logger
    private var outboxes: [String: EventOutbox<DashboardNotice>] = [:]
    private var observer: ChangeObserverID?
    private var store: ObjectIdentifier?

    init(_ facade: any DatacenterFacade, _ settings: SurfaceSettings, _ logger: Logger) {
        self.facade = facade
        self.settings = settings
        self.logger = logger
    }

    /// The records of this moment, and behind them all that is applied after it.
    /// - Returns: false where there are too many, or the connection has gone.
    func subscribe(
        _ name: String, _ outbox: EventOutbox<DashboardNotice>, launches: [TaskKey: [UInt8]]
    ) -> Bool {
        guard outboxes.count < settings.streamsMax, !outbox.isEnded else { return false }
        if observer == nil {
            store = ObjectIdentifier(facade.store)
            observer = facade.observe { [weak self] in self?.follow($0) }
        }
        var snapshot = DatacenterSnapshot(facade)
        snapshot.launches = launches
        for key in snapshot.table.tasks.keys where launches[key] == nil {
            snapshot.launches[key] = facade.launchInfo(of: key)
        }
        for notice in [.state(snapshot), .overview(facade.overview())] as [DashboardNotice] {
            outbox.push(notice, bytes: notice.byteCount)
        }
        outboxes[name] = outbox
        return true
    }

    func closed(_ name: String) {
        guard outboxes.removeValue(forKey: name) != nil, outboxes.isEmpty else { return }
        if let observer { facade.unobserve(observer) }
        observer = nil
    }

    private func follow(_ changes: [DatacenterChange]) {
        let told = DashboardChanges(changes, facade)
        if !told.isEmpty { tell(.changes(told)) }
    }

    private func tell(_ notice: DashboardNotice) {
        let bytes = notice.byteCount
        for outbox in outboxes.values { outbox.push(notice, bytes: bytes) }
    }

    /// Once a second: how the cluster is. That it comes is the sign that the node lives.
    func tick(_ now: NIODeadline) {
        guard !outboxes.isEmpty else { return }
        // A snapshot was installed: nobody told what it changed, so they begin anew.
        guard store == ObjectIdentifier(facade.store) else { return stop() }
        for (name, outbox) in Array(outboxes) {
            guard let stalled = outbox.stalled(at: now),
                stalled >= .seconds(settings.stallSeconds)
            else { continue }
            logger.notice("dashboard's stream ends", metadata: ["reason": "it reads nothing"])
            outbox.fail("it reads nothing")
            closed(name)
        }
        tell(.overview(facade.overview()))
    }

    func stop() {
        for outbox in outboxes.values { outbox.finish() }
        for name in Array(outboxes.keys) { closed(name) }
    }
}
