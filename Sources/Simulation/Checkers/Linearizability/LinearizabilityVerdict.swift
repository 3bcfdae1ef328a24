/// One step of an order that explains a history.
package enum LinearizationStep: Hashable, Sendable {
    /// The operation of this id takes effect.
    case operation(Int)
    /// A lease runs out: no client asked for it.
    case expiry(lease: Int64)
}

/// Why no order explains a history.
package struct LinearizabilityViolation: Error, Equatable, Sendable, CustomStringConvertible {
    package var summary: String
    /// Operations that cannot be placed, the most telling first.
    package var operations: [Int]
    /// The store's revision where the longest attempt ended.
    package var revision: Int64
    /// The last steps of the longest attempt, oldest first.
    package var lastSteps: [LinearizationStep]
    /// The history fails even if cut off at this time (calls that run on count as unanswered), and
    /// no earlier; nil where that was not looked for.
    package var earliestFailure: Int64?

    package var description: String {
        let cut = earliestFailure.map { "; the history up to \($0) ns fails" } ?? ""
        return "no order explains the history: \(summary) (revision \(revision))\(cut)"
    }
}

/// Whether the store's answers are those of one store that does one thing at a time.
package enum LinearizabilityVerdict: Equatable, Sendable {
    /// Unanswered calls that are not in the order never took effect.
    case linearizable([LinearizationStep])
    case violation(LinearizabilityViolation)
    /// The search was given up. Counts as a failure.
    case unknown(String)

    package var isLinearizable: Bool {
        if case .linearizable = self { true } else { false }
    }
}

package struct LinearizabilityOptions: Sendable {
    /// Attempts to place an operation, before the search is given up; so many for each operation
    /// where that is more.
    package var stepsMax: Int
    package var stepsMaxOfOperation = 500
    /// How much earlier than its time a lease may run out on the histories' clock, in nanoseconds:
    /// what the servers' clocks may gain on it meanwhile.
    package var leaseSlack: Int64
    /// Whether what watches have seen may help to tell which unanswered call made a revision.
    package var usesWatches: Bool
    /// Whether to look for the shortest prefix of a failing history that fails; costs up to twenty
    /// more runs.
    package var findsEarliestFailure: Bool

    package static let stepsMaxDefault = 10_000_000

    package init(
        stepsMax: Int = LinearizabilityOptions.stepsMaxDefault, leaseSlack: Int64 = 0,
        usesWatches: Bool = true, findsEarliestFailure: Bool = true
    ) {
        self.stepsMax = stepsMax
        self.leaseSlack = leaseSlack
        self.usesWatches = usesWatches
        self.findsEarliestFailure = findsEarliestFailure
    }
}
