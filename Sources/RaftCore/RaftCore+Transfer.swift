internal import Primitives

/// Handing leadership over (dissertation §3.10).
extension RaftCore {
    mutating func transferRequested(to target: NodeID?, into effects: inout [Effect]) {
        guard case .leader = state, leading.transfer == nil else { return }
        guard let target = target ?? bestSuccessor, target != settings.id,
            configuration.voters.contains(target)
        else { return }
        startTransfer(to: target, isForced: false, into: &effects)
    }

    /// Until it is over no proposal is accepted, so that the target can catch up. The lease goes
    /// first.
    mutating func startTransfer(
        to target: NodeID, isForced: Bool, into effects: inout [Effect]
    ) {
        leading.leaseEndTick = 0
        leading.transfer = LeaderState.Transfer(
            target: target, deadlineTick: now + UInt64(settings.electionTicks), isForced: isForced)
        if let slot = leading.slot(of: target) { sendAppends(to: slot, into: &effects) }
        pushTransfer(into: &effects)
    }

    /// Sends timeoutNow as soon as the target holds the whole log.
    mutating func pushTransfer(into effects: inout [Effect]) {
        #if KEELSON_MUTANTS
            if planted(.transfersToAnybody), case .leader = state,
                let transfer = leading.transfer, !transfer.isSent
            {
                leading.transfer?.isSent = true
                return send(.timeoutNow, to: transfer.target, into: &effects)
            }
        #endif
        guard case .leader = state, let transfer = leading.transfer,
            !transfer.isSent, let slot = leading.slot(of: transfer.target),
            leading.members[slot].matchIndex == log.lastIndex
        else { return }
        leading.transfer?.isSent = true
        leading.isLeaseForfeited = true
        send(.timeoutNow, to: transfer.target, into: &effects)
    }

    /// Goes at once, and asks the best of the others to campaign.
    mutating func handOver(into effects: inout [Effect]) {
        tellCommit(into: &effects)
        if let successor = bestSuccessor { send(.timeoutNow, to: successor, into: &effects) }
        leaveOffice(into: &effects)
    }

    /// The other voter that holds most of the log, those that answer first.
    var bestSuccessor: NodeID? {
        guard case .leader = state else { return nil }
        var best: Progress?
        for slot in leading.voterSlots {
            let member = leading.members[slot]
            if member.id == settings.id { continue }
            guard let held = best else {
                best = member
                continue
            }
            let isBetter =
                isActive(member) == isActive(held)
                ? member.matchIndex > held.matchIndex : isActive(member)
            if isBetter { best = member }
        }
        return best?.id
    }
}
