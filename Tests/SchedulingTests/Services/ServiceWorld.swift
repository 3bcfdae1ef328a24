import Primitives
import Scheduling
import StateMachine
import Testing

/// Services that users change all the time, leaders that come and go in the middle, machines that
/// are cut off and come back, instances that die: all drawn from a seed. What must hold is looked
/// at with each decision and each entry.
final class ServiceWorld {
    var random: SplitMix64
    let cluster = ServiceCluster()
    var violations: [String] = []
    var isCalm = false
    /// Of deployments: how often they began and ended, and which steps they came to.
    var began: [DeploymentID: Int] = [:]
    var ended: [DeploymentID: Int] = [:]
    var steps: [DeploymentID: UInt32] = [:]
    var failovers = 0
    private var changesSeen = 0
    private var commands = 0

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        for place in 0..<5 {
            cluster.add(
                "h\(place)", "cpus:6;mem:8192;ports:[31000-31015]", "rack=\(place % 3)")
        }
        cluster.onDecision = { [unowned self] in judge($0) }
    }

    func draw(_ below: Int) -> Int { Int(random.next(below: UInt64(below))) }

    func step() {
        switch draw(30) {
        case 0..<9:
            for _ in 0..<(isCalm ? 50 : 1 + draw(4)) where cluster.hasDecisions {
                cluster.commitOne(services: draw(2) == 0)
            }
        case 9..<14: cluster.tick(UInt64(50 + draw(300)))
        case 14..<19: for _ in 0..<(isCalm ? 50 : 1 + draw(8)) { cluster.deliverOrder() }
        case 19, 20: live(cluster.machines[draw(cluster.machines.count)])
        case 21: for machine in cluster.machines { cluster.connect(machine) }
        case 22 where !isCalm: userActs()
        case 23 where !isCalm && draw(6) == 0: failOver()
        case 24 where !isCalm && draw(12) == 0:
            cluster.cutOff(cluster.machines[draw(cluster.machines.count)])
        case 25 where isCalm || draw(4) == 0:
            cluster.machines[draw(cluster.machines.count)].isCutOff = false
        case 26: cluster.resend(cluster.machines[draw(cluster.machines.count)])
        default:
            for machine in cluster.machines where machine.isRegistered {
                guard let connection = machine.connection else { continue }
                cluster.desk.step(.agent(AgentConnectionID(connection), .heartbeat))
            }
        }
        follow()
    }

    private func failOver() {
        failovers += 1
        for _ in 0..<draw(4) where cluster.hasDecisions { cluster.commitOne() }
        cluster.failOver()
    }

    /// Tasks of a machine begin to run, fall ill, get well, and die.
    private func live(_ machine: ServiceCluster.Machine) {
        let keys = cluster.live(machine)
        guard !keys.isEmpty else { return }
        let key = keys[draw(keys.count)]
        if machine.tasks[key]?.state == .starting {
            return cluster.report(machine, key, !isCalm && draw(6) == 0 ? .failed : .running)
        }
        if isCalm { return cluster.report(machine, key, .running) }
        switch draw(8) {
        case 0: cluster.report(machine, key, draw(2) == 0 ? .failed : .finished)
        case 1: cluster.report(machine, key, .running, status: [0x40, 0x00])
        default: cluster.report(machine, key, .running)
        }
    }

    // MARK: - Users

    private func definition() -> ServiceDefinition {
        let id = ["/a", "/b", "/g/c", "/g/d"][draw(4)]
        commands += 1
        let constraints: [[ServiceDefinition.Constraint]] = [
            [], [.init("hostname", .unique)], [.init("rack", .maxPer, "2")],
            [.init("rack", .unlike, "2")],
        ]
        return ServiceCluster.service(
            id, UInt32(draw(5)), command: draw(3) == 0 ? "\(commands)" : "same"
        ) {
            $0.constraints = constraints[(id.utf8.last.map(Int.init) ?? 0) % 4]
            $0.minimumHealthCapacity = [0, 500, 1_000][draw(3)]
            $0.maximumOverCapacity = [0, 500, 1_000][draw(3)]
            $0.healthChecks = [ServiceDefinition.HealthCheck(.command)]
            $0.healthChecks[0].command = "true"
            $0.backoffMaxMilliseconds = 3_000
            $0.dependencies = id == "/g/d" && draw(2) == 0 ? ["/a"] : []
            $0.ports = [ServiceDefinition.Port(0)]
            if draw(3) == 0 {
                $0.unreachable = .replaced(inactiveAfter: 3_000, expungeAfter: 10_000)
            }
        }
    }

    private func pick<Element>(_ all: [Element]) -> Element? {
        all.isEmpty ? nil : all[draw(all.count)]
    }

    private func userActs() {
        let services = cluster.services
        switch draw(12) {
        case 0..<6: cluster.put(definition(), force: draw(3) == 0)
        case 6: cluster.put(definition(), definition(), force: true)
        case 7:
            guard let id = pick(services.serviceIDs) else { return }
            cluster.apply(.change(ServiceChange([.remove(id)], isForced: draw(2) == 0)))
        case 8:
            guard let id = pick(services.serviceIDs) else { return }
            cluster.apply(.change(ServiceChange([.restart(id)], isForced: draw(2) == 0)))
        case 9, 10:
            guard let id = services.deploymentIDs.first else { return }
            cluster.apply(draw(2) == 0 ? .rollBack(id) : .cancel(id))
        default:
            let instances = services.instances.keys.sorted()
            guard let id = pick(instances) else { return }
            cluster.apply(.stop([id], scales: draw(2) == 0, isForced: true))
        }
    }

    // MARK: - What must hold

    /// No healthy instance is ended, where that leaves fewer healthy ones than there have to be.
    private func judge(_ command: ServiceCommand) {
        guard case .adjust(let adjustment) = command,
            let service = cluster.services.services[adjustment.service],
            !service.record.isEnding, let active = service.active
        else { return }
        let views = service.instances.compactMap { id -> InstanceView? in
            guard let record = cluster.services.instances[id],
                let version = service.version(record.version)
            else { return nil }
            return InstanceView(
                record, of: version.definition, in: cluster.table,
                clusterTime: cluster.desk.now)
        }
        let healthy = views.filter(\.isHealthy)
        let stopped = healthy.count { adjustment.stops.contains($0.record.id) }
        if stopped > 0, healthy.count - stopped < active.definition.minimumHealthy {
            violations.append(
                "\(adjustment.service): \(stopped) of \(healthy.count) healthy ones are ended, "
                    + "\(active.definition.minimumHealthy) have to stay")
        }
        let hasOld = views.contains {
            $0.record.configuration != active.configuration && !$0.isInactive
        }
        let held = views.count { !$0.isWaiting || !adjustment.stops.contains($0.record.id) }
        if hasOld, adjustment.starts > 0,
            held - views.count(where: \.isInactive) + Int(adjustment.starts)
                > active.definition.maximumTotal
        {
            violations.append("\(adjustment.service): too many during an upgrade")
        }
    }

    private func follow() {
        let changes = cluster.changes[changesSeen...]
        changesSeen = cluster.changes.count
        for change in changes {
            switch change {
            case .deployment(let id, .began): began[id, default: 0] += 1
            case .deployment(let id, .advanced): steps[id, default: 0] += 1
            case .deployment(let id, .done), .deployment(let id, .cancelled):
                ended[id, default: 0] += 1
            case .instance: break
            case .agent, .framework, .task, .executor, .role, .master, .service: break
            }
        }
        if changes.contains(where: { if case .instance = $0 { true } else { false } }) {
            checkConstraints()
        }
    }

    private func checkConstraints() {
        for id in cluster.services.serviceIDs {
            guard let service = cluster.services.services[id] else { continue }
            var hosts: [String: Int] = [:]
            var racks: [Int: Int] = [:]
            for (_, agent, _) in cluster.placed(id.description) {
                hosts[agent, default: 0] += 1
                racks[(agent.last?.wholeNumberValue ?? 0) % 3, default: 0] += 1
            }
            for constraint in service.latest?.definition.constraints ?? [] {
                switch constraint.test {
                case .unique where hosts.values.contains { $0 > 1 }:
                    violations.append("\(id) has two on one machine: \(hosts)")
                case .maxPer where racks.values.contains { $0 > 2 }:
                    violations.append("\(id) has three in one rack: \(racks)")
                case .unlike where racks[2] != nil: violations.append("\(id) is in rack 2")
                case .unique, .maxPer, .unlike, .like, .cluster, .groupBy, .equal: break
                }
            }
        }
    }
}
