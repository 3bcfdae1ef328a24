internal import Primitives
package import StateMachine

/// The active scheduler of services as a value: a framework like any other, that keeps as many
/// instances running as each service's definition says, and takes deployments through their steps.
///
/// It is level-triggered: it looks at the records of a service and says what is missing. There is
/// one on a node that leads, made anew with each term; nothing in it has to survive, for all that
/// it decides by is in the records. What it costs follows what changed.
package struct ServiceScheduler: Sendable {
    /// A decision on its way.
    enum Decision: Sendable {
        case adjust(ServiceID)
        case advance(DeploymentID)
        case time
    }

    struct OpenDecision: Sendable {
        var decision: Decision
        /// On the node's clock.
        var madeAt: UInt64
    }

    /// A decision of which nobody can say yet whether the log has it.
    struct UncertainDecision: Sendable {
        var id: DecisionID
        var decision: Decision
    }

    /// An instance that an offer was accepted for.
    struct AcceptedLaunch: Sendable {
        /// Nil once it is certain that nothing came of it.
        var agent: AgentID?
        var since: UInt64
        /// When it may be tried again; where nothing was heard, once it is certain as well that
        /// nothing will come of it.
        var retryAt: UInt64
    }

    /// What was seen of offers while instances of a service wait.
    struct Refusals: Sendable {
        var seen: UInt64 = 0
        var unused: UInt64 = 0
        var counts: [OfferRefusal: UInt64] = [:]
    }

    package let settings: ServiceSchedulerSettings
    /// What an agent is to constraints, from its record.
    let traits: @Sendable (AgentRecord) -> AllocatorAgent

    var now: UInt64
    var clusterTime: UInt64
    private var lastDecision: UInt64 = 0
    private var decisions: [DecisionID: OpenDecision] = [:]
    /// In the order in which they were made. What they are about is decided on when it is known.
    private var uncertain: [UncertainDecision] = []
    /// When the newest decision was made that was applied: the log has, or has not, whatever was
    /// asked for before.
    private var settledAt: UInt64 = 0
    private var timeRecordedAt: UInt64

    /// What is to be looked at.
    private var changedServices: Set<ServiceID> = []
    private var changedDeployments: Set<DeploymentID> = []
    /// About which a decision is on its way.
    private var adjusting: Set<ServiceID> = []
    private var advancing: Set<DeploymentID> = []
    private var converged: Set<ServiceID> = []
    private var wakes = Wakes<ServiceID>()
    /// The cluster's: what may be written.
    private var level = FeatureLevel.first
    /// Those that were not allowed to go on, and the cluster's time at which they try again.
    private var retries: [DeploymentID: UInt64] = [:]
    #if KEELSON_MUTANTS
        private var forgotten: [DeploymentID] = []
    #endif

    // Offers.
    /// Services with instances that wait, as they were looked at last.
    var waiting: [ServiceID: [InstanceID]] = [:]
    /// Not heard of since.
    var launching: [InstanceID: AcceptedLaunch] = [:]
    var refusals: [ServiceID: Refusals] = [:]
    private var knownAgents: [AgentID: AllocatorAgent] = [:]
    private var isSubscribed = false
    private var subscribeAt: UInt64
    /// Whether the master was told that offers are wanted; nil before it was told anything.
    private var wantsOffers: Bool?
    /// Instances wait that no offer was asked for.
    var needsRevival = false
    /// When roles that the records do not have may be told to the master again.
    private var updateAt: UInt64 = 0
    private var roleOfService: [ServiceID: ByteText] = [:]
    private var servicesOfRole: [ByteText: Int] = [:]

    /// A node has come to lead, and `table` has all that was decided before.
    package init(
        settings: ServiceSchedulerSettings, table: DatacenterTable, now: UInt64,
        clusterTime: UInt64, traits: @escaping @Sendable (AgentRecord) -> AllocatorAgent
    ) {
        self.settings = settings
        self.traits = traits
        self.now = now
        self.clusterTime = clusterTime
        timeRecordedAt = now
        subscribeAt = now
        changedServices = Set(table.services.serviceIDs)
        #if KEELSON_MUTANTS
            if planted(.forgetsDeployments) { forgotten = table.services.deploymentIDs }
        #endif
        for id in table.services.serviceIDs { noteRole(of: id, in: table) }
    }

    package mutating func step(
        _ input: ServiceSchedulerInput, in table: DatacenterTable,
        into effects: inout [ServiceSchedulerEffect]
    ) {
        switch input {
        case .tick(let now, let clusterTime, let level):
            self.level = level
            self.now = max(self.now, now)
            self.clusterTime = max(self.clusterTime, clusterTime)
            tick(in: table, into: &effects)
        case .applied(let changes): follow(changes, in: table)
        case .decided(let id, let outcome): decided(id, outcome)
        case .event(let event): take(event, in: table, into: &effects)
        case .disconnected:
            isSubscribed = false
            subscribeAt = now + settings.subscribeMilliseconds
            // Nobody answers those any more.
            for id in launching.keys.sorted() where launching[id]?.agent != nil {
                launching[id]?.retryAt = now
            }
        }
    }

    // MARK: - What changed

    private mutating func follow(_ changes: [DatacenterChange], in table: DatacenterTable) {
        for change in changes {
            switch change {
            case .service(let id):
                noteRole(of: id, in: table)
                look(at: id)
            case .instance(let id, let service):
                if table.services.instances[id]?.phase != .waiting { launching[id] = nil }
                look(at: service)
            case .deployment(let id, _): changedDeployments.insert(id)
            case .task(let key):
                guard key.framework == ServiceFramework.id,
                    let instance = table.services.instances[key.task]
                else { continue }
                look(at: instance.service)
            case .agent(let id): knownAgents[id] = nil
            case .framework, .executor, .role, .master: break
            }
        }
    }

    private mutating func look(at id: ServiceID) {
        changedServices.insert(id)
        converged.remove(id)
    }

    func agent(_ id: AgentID, in table: DatacenterTable) -> AllocatorAgent? {
        knownAgents[id] ?? table.agents[id].map { traits($0.record) }
    }

    mutating func knownAgent(_ id: AgentID, in table: DatacenterTable) -> AllocatorAgent? {
        let agent = agent(id, in: table)
        knownAgents[id] = agent
        return agent
    }

    private mutating func decide(
        _ command: DatacenterCommand, _ decision: Decision,
        into effects: inout [ServiceSchedulerEffect]
    ) -> Bool {
        guard decisions.count < settings.decisionsMax else { return false }
        lastDecision += 1
        let id = DecisionID(lastDecision)
        decisions[id] = OpenDecision(decision: decision, madeAt: now)
        effects.append(.propose(id, command))
        return true
    }

    private mutating func decided(_ id: DecisionID, _ outcome: DecisionOutcome) {
        guard let open = decisions.removeValue(forKey: id) else { return }
        if outcome.isApplied { settle(before: id, madeAt: open.madeAt) }
        switch outcome {
        case .done: came(of: open.decision, isRefused: false)
        case .refused: came(of: open.decision, isRefused: true)
        case .unknown:
            #if KEELSON_MUTANTS
                if planted(.takesUncertainForLost) {
                    return came(of: open.decision, isRefused: false)
                }
            #endif
            uncertain.append(UncertainDecision(id: id, decision: open.decision))
        }
    }

    /// A later decision of this term was applied: whatever the log has of those before it was, too.
    private mutating func settle(before id: DecisionID, madeAt time: UInt64) {
        settledAt = max(settledAt, time)
        while let first = uncertain.first, first.id < id {
            uncertain.removeFirst()
            came(of: first.decision, isRefused: false)
        }
    }

    private mutating func came(of decision: Decision, isRefused: Bool) {
        switch decision {
        case .time: break
        case .adjust(let service):
            adjusting.remove(service)
            if isRefused {
                wakes.add(service, at: retryAt)
            } else {
                look(at: service)
            }
        case .advance(let deployment):
            advancing.remove(deployment)
            if isRefused {
                retries[deployment] = retryAt
            } else {
                changedDeployments.insert(deployment)
            }
        }
    }

    private var retryAt: UInt64 { clusterTime &+ settings.retryMilliseconds }

    // MARK: - Time

    private mutating func tick(
        in table: DatacenterTable, into effects: inout [ServiceSchedulerEffect]
    ) {
        for service in wakes.take(until: clusterTime) {
            if waiting[service] != nil { needsRevival = true }
            look(at: service)
        }
        let time = clusterTime
        for id in retries.filter({ $0.value <= time }).keys.sorted() {
            retries[id] = nil
            changedDeployments.insert(id)
        }
        for id in changedServices.sorted() where !adjusting.contains(id) {
            changedServices.remove(id)
            adjust(id, in: table, into: &effects)
        }
        for id in changedDeployments.sorted() where !advancing.contains(id) {
            changedDeployments.remove(id)
            advance(id, in: table, into: &effects)
        }
        // An entry behind what is uncertain settles it.
        let needsTime = !wakes.isEmpty || !uncertain.isEmpty || hasLateLaunches
        if needsTime, now >= timeRecordedAt + settings.timeRecordMilliseconds {
            timeRecordedAt = now
            _ = decide(.time, .time, into: &effects)
        }
        speakToMaster(in: table, into: &effects)
    }

    private mutating func adjust(
        _ id: ServiceID, in table: DatacenterTable,
        into effects: inout [ServiceSchedulerEffect]
    ) {
        guard let service = table.services.services[id] else {
            (waiting[id], refusals[id]) = (nil, nil)
            converged.remove(id)
            return
        }
        var plan = InstancePlan(service, in: table, clusterTime: clusterTime)
        if level < .adjustmentBasis { plan.adjustment.basis = nil }
        noteWaiting(plan.waiting, of: service)
        if let time = plan.wakeAt { wakes.add(id, at: time) }
        if plan.adjustment.isEmpty {
            if plan.isConverged { converged.insert(id) }
            if service.record.deployment.rawValue != 0 {
                changedDeployments.insert(service.record.deployment)
            }
        } else if decide(.service(.adjust(plan.adjustment)), .adjust(id), into: &effects) {
            #if KEELSON_MUTANTS
                if planted(.beginsAgain) {
                    changedServices.insert(id)
                    return
                }
            #endif
            adjusting.insert(id)
        } else {
            changedServices.insert(id)
        }
    }

    private mutating func noteWaiting(
        _ instances: [InstanceID], of service: ServiceTable.Service
    ) {
        let id = service.record.id
        guard !instances.isEmpty else {
            (waiting[id], refusals[id]) = (nil, nil)
            return
        }
        let before = waiting[id] ?? []
        waiting[id] = instances
        if service.record.delayedUntil > clusterTime {
            wakes.add(id, at: service.record.delayedUntil)
        } else if instances.last != before.last || refusals[id] == nil {
            // Newer ones stand behind older ones.
            needsRevival = true
            if refusals[id] == nil { refusals[id] = Refusals() }
        }
    }

    private mutating func advance(
        _ id: DeploymentID, in table: DatacenterTable,
        into effects: inout [ServiceSchedulerEffect]
    ) {
        guard let record = table.services.deployments[id] else { return }
        #if KEELSON_MUTANTS
            if forgotten.contains(id) { return }
        #endif
        let isDone = record.currentParts.allSatisfy { part in
            table.services.services[part.service] == nil
                || (converged.contains(part.service) && !adjusting.contains(part.service)
                    && !changedServices.contains(part.service))
        }
        #if KEELSON_MUTANTS
            guard isDone || planted(.leavesStepsEarly) else { return }
        #else
            guard isDone else { return }
        #endif
        let command = ServiceCommand.advance(id, step: record.step)
        if decide(.service(command), .advance(id), into: &effects) {
            #if KEELSON_MUTANTS
                if planted(.repeatsSteps) {
                    changedDeployments.insert(id)
                    return
                }
            #endif
            advancing.insert(id)
        } else {
            changedDeployments.insert(id)
        }
    }

    // MARK: - The master

    private mutating func speakToMaster(
        in table: DatacenterTable, into effects: inout [ServiceSchedulerEffect]
    ) {
        if !isSubscribed {
            guard now >= subscribeAt else { return }
            subscribeAt = now + settings.subscribeMilliseconds * 10
            effects.append(.subscribe(subscription))
            return
        }
        let known = table.frameworks[ServiceFramework.id]?.record.roles
        if now >= updateAt, known != wantedRoles {
            updateAt = now + settings.retryMilliseconds
            var update = subscription
            update.isUpdate = true
            effects.append(.call(.update(update)))
        }
        forgetLaunches()
        let wants = waiting.keys.contains { isEligible($0, in: table) }
        if wants, wantsOffers != true || needsRevival {
            effects.append(.call(.revive(roles: [])))
        } else if !wants, wantsOffers != false {
            effects.append(.call(.suppress(roles: [])))
        }
        wantsOffers = wants
        needsRevival = false
    }

    /// Whether offers are of use to it now.
    func isEligible(_ id: ServiceID, in table: DatacenterTable) -> Bool {
        guard let record = table.services.services[id]?.record,
            record.delayedUntil <= clusterTime
        else { return false }
        return waiting[id]?.contains { launching[$0] == nil } ?? false
    }

    /// Whether there are launches of which only a later decision tells what came of them.
    private var hasLateLaunches: Bool {
        launching.values.contains { $0.agent != nil && now >= $0.retryAt }
    }

    /// Launches that nothing came of, and nothing will: one that may be committed still has its
    /// place, which counts for constraints.
    private mutating func forgetLaunches() {
        guard launching.values.contains(where: { now >= $0.retryAt }) else { return }
        #if KEELSON_MUTANTS
            if planted(.takesUncertainForLost) { settledAt = now }
        #endif
        let late = launching.filter {
            now >= $0.value.retryAt && ($0.value.agent == nil || $0.value.since < settledAt)
        }
        for id in late.keys.sorted() { launching[id] = nil }
        if !late.isEmpty { needsRevival = true }
    }

    private mutating func take(
        _ event: SchedulerEvent, in table: DatacenterTable,
        into effects: inout [ServiceSchedulerEffect]
    ) {
        switch event {
        case .subscribed:
            isSubscribed = true
            // What it was told before, the master has forgotten.
            wantsOffers = nil
        case .offers(let offers):
            answer(offers, in: table, into: &effects)
            // Nobody asked for them: it knows nothing of that.
            if wantsOffers == false { wantsOffers = nil }
        case .update(let update): take(update, into: &effects)
        case .rescind, .message, .failure, .error: break
        }
    }

    private mutating func take(
        _ update: TaskUpdate, into effects: inout [ServiceSchedulerEffect]
    ) {
        // What a task comes to is on record with its instance before anybody hears of it.
        if !update.uuid.isEmpty {
            effects.append(.call(.acknowledge(update.key.task, uuid: update.uuid)))
        }
        switch update.cause {
        case .invalidOffers, .invalidTask, .invalidFramework:
            // Of an earlier launch, of which it heard late.
            guard let launch = launching[update.key.task],
                update.agent == nil || update.agent == launch.agent
            else { return }
            // Not at once: it may be refused again, for the same reason.
            let retryAt = now + settings.retryMilliseconds
            launching[update.key.task]?.agent = nil
            launching[update.key.task]?.retryAt = retryAt
        case .agent, .agentUnreachable, .agentGone, .reconciliation: break
        }
    }

    // MARK: - Roles

    private mutating func noteRole(of id: ServiceID, in table: DatacenterTable) {
        let role = table.services.services[id]?.active?.definition.role
        guard roleOfService[id] != role else { return }
        if let old = roleOfService[id] {
            let count = servicesOfRole[old, default: 0] - 1
            servicesOfRole[old] = count > 0 ? count : nil
        }
        roleOfService[id] = role
        if let role { servicesOfRole[role, default: 0] += 1 }
    }

    /// Those that a framework may have. Services of others wait, and are told why.
    private var wantedRoles: [ByteText] {
        let own = servicesOfRole.keys.filter { (try? $0.validateRole()) != nil }
            .filter { $0 != ResourceNames.anyRole }.sorted()
        return ([ResourceNames.anyRole] + own.prefix(AllocatorLimits.rolesPerFrameworkMax - 1))
            .sorted()
    }

    private var subscription: Subscription {
        let roles = wantedRoles
        var subscription = Subscription(
            id: ServiceFramework.id, newID: ServiceFramework.id,
            info: ServiceFramework.info(roles: roles), roles: roles)
        // FrameworkInfo.Capability: GPUs, partitions, several roles, refined reservations.
        subscription.capabilities = 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7
        // It is never away for good.
        subscription.failoverMilliseconds = .max
        return subscription
    }

    // MARK: - Explanations

    /// Those with instances that wait, sorted.
    package var waitingServices: [ServiceID] { waiting.keys.sorted() }

    /// Why instances of the service do not start; nil for one that is not there.
    package func explain(_ id: ServiceID, in table: DatacenterTable) -> ServiceExplanation? {
        guard let service = table.services.services[id] else { return nil }
        var explanation = ServiceExplanation()
        explanation.waiting = service.instances.count {
            table.services.instances[$0]?.phase == .waiting
        }
        let delayedUntil = service.record.delayedUntil
        explanation.delayedUntil = delayedUntil > clusterTime ? delayedUntil : 0
        guard let seen = refusals[id] else { return explanation }
        explanation.offersSeen = seen.seen
        explanation.offersUnused = seen.unused
        explanation.reasons = OfferRefusal.allCases.compactMap { refusal in
            seen.counts[refusal].map { .init(refusal: refusal, count: $0) }
        }
        return explanation
    }
}
