import NIOCore
package import Primitives
import RaftCore
import Replication
package import StateMachine

/// Who waits until the configuration in force, applied here, is what a change of the members was
/// about.
final class ConfigurationWaiter {
    let kind: CommandKind
    let member: NodeID
    let done: (Bool) -> Void

    init(kind: CommandKind, member: NodeID, done: @escaping (Bool) -> Void) {
        self.kind = kind
        self.member = member
        self.done = done
    }

    func isReached(_ configuration: ClusterConfiguration) -> Bool {
        switch kind {
        case .memberAddition: configuration.contains(member)
        case .memberRemoval: !configuration.contains(member)
        case .memberPromotion: configuration.voters.contains(member)
        default: true
        }
    }
}

extension Node {
    package func changeMembers(
        _ kind: CommandKind, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void
    ) {
        propose(kind, proposedID: 0, body: body, as: principal) { [weak self] outcome in
            guard let self, case .applied(let applied) = outcome,
                case .member(let id) = applied.outcome
            else { return done(outcome) }
            waitForConfiguration(kind, id) { isReached in
                done(isReached ? outcome : .unknown(.timedOut))
            }
        }
    }

    /// What the state machine has agreed on is brought to consensus by the leader.
    private func waitForConfiguration(
        _ kind: CommandKind, _ member: NodeID, _ done: @escaping (Bool) -> Void
    ) {
        var isDone = false
        let waiter = ConfigurationWaiter(kind: kind, member: member) { isReached in
            if isDone { return }
            isDone = true
            done(isReached)
        }
        if waiter.isReached(replica.appliedConfiguration) { return waiter.done(true) }
        configurationWaiters.append(waiter)
        let patience = TimeAmount.seconds(5) + electionTimeout + electionTimeout
        eventLoop.assumeIsolated().scheduleTask(in: patience) { [weak self] in
            // A change that is never carried out must not be waited for, nor kept, for ever.
            self?.configurationWaiters.removeAll { $0 === waiter }
            waiter.done(false)
        }
    }

    func tellConfigurationWaiters() {
        let configuration = replica.appliedConfiguration
        let reached = configurationWaiters.filter { $0.isReached(configuration) }
        configurationWaiters.removeAll { $0.isReached(configuration) }
        for waiter in reached { waiter.done(true) }
    }

    /// The others have said that this member is none any more; they send it nothing that would tell
    /// it how that came about. Whoever asked for it here gets an answer first.
    func wasRemoved() {
        let told = configurationWaiters.filter {
            $0.kind == .memberRemoval && $0.member == memberID
        }
        for waiter in told { waiter.done(true) }
        halt(.replica(.removed))
    }

    package func transferLeadership(
        to target: NodeID, _ done: @escaping (TransferOutcome) -> Void
    ) {
        guard isLeader else { return done(.notLeader) }
        guard replica.raft.configuration.voters.contains(target) else { return done(.badTarget) }
        if target == memberID { return done(.moved) }
        step(.transferLeadership(to: target))
        awaitTransfer(to: target, until: .now() + electionTimeout + electionTimeout, done)
    }

    private func awaitTransfer(
        to target: NodeID, until deadline: NIODeadline, _ done: @escaping (TransferOutcome) -> Void
    ) {
        if leader == target { return done(.moved) }
        if stopping || NIODeadline.now() >= deadline { return done(.timedOut) }
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(2)) { [self] in
            awaitTransfer(to: target, until: deadline, done)
        }
    }
}
