package import Primitives

/// What applying one entry did.
package struct Applied: Sendable {
    /// Nil for entries that are not commands.
    package var request: RequestID?
    package var outcome: Outcome
    /// The changes, in order of revision and, within one, of operation. Only a batch of expired
    /// leases has more than one revision.
    package var events: [Record]
    /// The revision of the answer's header.
    package var revision: Revision
    /// For the leader's clock of leases.
    package var leaseChanges: [LeaseChange]
    /// Who the members are is another, or consensus's configuration is.
    package var membershipChanged: Bool
    package var alarmsChanged: Bool
    package var authChange: AuthChange?
    /// In the order in which they were made; a record may be there more than once.
    package var datacenterChanges: [DatacenterChange]
    /// The node met an entry that it does not understand and must not go on.
    package var mustStop: Bool
    /// Of the entry, for whoever asks where its time went; the replica says it.
    package var index = LogIndex.zero

    init(request: RequestID?, outcome: Outcome, revision: Revision) {
        self.request = request
        self.outcome = outcome
        self.revision = revision
        events = []
        leaseChanges = []
        datacenterChanges = []
        membershipChanged = false
        alarmsChanged = false
        mustStop = false
    }
}

package enum LeaseChange: Equatable, Sendable {
    /// Times in seconds.
    case granted(id: Int64, seconds: Int64)
    case revoked(id: Int64)
    /// Zero: the lease runs its full time again.
    case checkpointed(id: Int64, remainingSeconds: Int64)
}

package enum Outcome: Sendable {
    /// Nothing to answer: an empty entry, a change of configuration, a membership record.
    case none
    /// `previous` only where `prev_kv` was asked for.
    case put(previous: Record?)
    case deleteRange(deleted: Int64, previous: [Record])
    case txn(TxnResult)
    case compact
    case leaseGrant(id: Int64, seconds: Int64)
    case leaseRevoke
    case alarms([AlarmMember])
    /// The member that was added or changed.
    case member(NodeID)
    case auth
    case downgrade
    case datacenter(DatacenterOutcome)
    case failed(StoreError)
}

/// What a range found.
package struct RangeResult: Sendable {
    /// The header's revision: the store's, also where an older one was read.
    package var revision: Revision
    package var records: [Record]
    package var count: Int64
    package var more: Bool
    package var form: RecordForm
}

package struct TxnResult: Sendable {
    package var succeeded: Bool
    package var responses: [OperationResult]
}

package indirect enum OperationResult: Sendable {
    /// Nil where the range was checked only (DESIGN §6: it is evaluated where it is answered).
    case range(Revision, RangeResult?)
    case put(Revision, previous: Record?)
    case deleteRange(Revision, deleted: Int64, previous: [Record])
    case txn(TxnResult)
    case empty
}
