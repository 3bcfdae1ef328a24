package import Primitives
package import StateMachine

/// The office of the datacenter's master on one node, as a value: when it is taken and given up,
/// and the inputs that wait while a step is performed. What drives it performs effects and keeps
/// connections.
package struct MasterOffice: Sendable {
    package private(set) var master: Master?
    private var inputs: [MasterInput] = []
    private var isStepping = false

    package init() {}

    /// Gives the office up where the node may not decide, or decides in another term.
    /// - Parameter term: the node's, nil where it may not decide.
    /// - Returns: whether it was held: then nobody who is connected here has a master any more.
    package mutating func resign(unlessIn term: Term?) -> Bool {
        guard let master, master.term != term else { return false }
        self.master = nil
        return true
    }

    /// Takes the office where nobody holds it.
    /// - Parameters:
    ///   - term: the node's, nil where it may not decide.
    ///   - clusterTime: the leader's, nil where it has none yet.
    ///   - now: in milliseconds of the node's monotonic clock.
    /// - Returns: whether it was taken now.
    package mutating func take(
        in term: Term?, clusterTime: UInt64?, now: UInt64, table: DatacenterTable,
        settings: MasterSettings, reading: RecordReading
    ) -> Bool {
        guard master == nil, let term, let clusterTime else { return false }
        master = Master(
            settings: settings, term: term, table: table, now: now, clusterTime: clusterTime,
            reading: reading)
        return true
    }

    /// Something happens to the master; without one it is dropped when its turn comes.
    /// - Returns: whether the caller is to perform steps: false while one is being performed, which
    ///   comes to this input, too.
    package mutating func add(_ input: MasterInput) -> Bool {
        inputs.append(input)
        guard !isStepping else { return false }
        isStepping = true
        return true
    }

    /// The effects of the next input, to be performed in their order; nil: that was all.
    package mutating func next(in table: DatacenterTable) -> [MasterEffect]? {
        guard !inputs.isEmpty else {
            isStepping = false
            return nil
        }
        let input = inputs.removeFirst()
        var effects: [MasterEffect] = []
        master?.step(input, in: table, into: &effects)
        return effects
    }
}

extension DecisionOutcome {
    /// Of a decision whose entry was applied.
    package init(_ outcome: Outcome) {
        switch outcome {
        case .datacenter(let outcome): self = .done(outcome)
        case .failed(.datacenter(let error)): self = .refused(error)
        case .none, .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .alarms,
            .member, .auth, .downgrade, .failed:
            self = .refused(nil)
        }
    }
}
