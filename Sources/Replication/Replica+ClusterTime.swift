import StateMachine

/// The cluster's time, which only a leader lets pass: it goes on from where the log left it.
extension Replica {
    /// The cluster's time in milliseconds; nil where this node does not lead, or has not applied
    /// the first entry of its own term.
    package var leadersTime: UInt64? {
        guard let tenure else { return nil }
        let (led, overflow) = (now - tenure.since).multipliedReportingOverflow(by: 1000)
        let milliseconds = overflow ? UInt64.max : led / UInt64(settings.ticksPerSecond)
        let (time, isFull) = tenure.base.addingReportingOverflow(milliseconds)
        return isFull ? .max : time
    }

    /// What was led before is in the state then.
    mutating func startTenureBehindFence() {
        guard tenure == nil, isLeader, let fenceIndex, store.appliedIndex >= fenceIndex else {
            return
        }
        tenure = (store.clusterTime, now)
    }
}
