import Primitives
import RaftCore
import Replication
import StateMachine

/// What a client asks for.
enum ClientRequest: Sendable {
    /// A command that is logged: its kind and its body as clients encode it.
    case command(CommandKind, body: [UInt8], proposedID: Int64)
    case range(RangeRequest)
    /// A transaction of ranges only.
    case readOnly(TxnRequest)
    case renew(leaseID: Int64)
    case timeToLive(leaseID: Int64)
    /// Waits until the lease's key is the first under the name.
    case lock(name: [UInt8], lease: Int64)

    var isSerializable: Bool {
        switch self {
        case .range(let range): range.isSerializable
        case .command, .readOnly, .renew, .timeToLive, .lock: false
        }
    }
}

/// How it ended for the client.
enum ClientOutcome: Sendable {
    /// It took effect at this log index.
    case written(index: LogIndex, revision: Int64, StepResult)
    /// What was read is the state as of this log index.
    case read(index: LogIndex, revision: Int64)
    case renewed(seconds: Int64)
    case leaseGone
    case remaining(seconds: Int64)
    /// It holds the lock in the state as of this log index.
    case held(index: LogIndex, QueueEntry)
    /// It had a place in a queue that is gone.
    case placeGone
    /// The rules of the store refuse it; nothing was changed.
    case refusedByStore(index: LogIndex, StoreError)
    /// Definitely without effect.
    case refused
    /// Nobody knows.
    case unknown

    var name: StaticString {
        switch self {
        case .written: "written at"
        case .read: "read at"
        case .renewed: "renewed"
        case .leaseGone: "lease gone"
        case .remaining: "remaining"
        case .held: "holds at"
        case .placeGone: "place gone"
        case .refusedByStore: "refused by rules"
        case .refused: "refused"
        case .unknown: "unknown"
        }
    }

    var number: UInt64 {
        switch self {
        case .written(let index, _, _), .read(let index, _), .refusedByStore(let index, _),
            .held(let index, _):
            index.rawValue
        case .renewed(let seconds), .remaining(let seconds): UInt64(bitPattern: seconds)
        case .leaseGone, .placeGone, .refused, .unknown: 0
        }
    }
}

/// One operation of one client, from its begin to its end: a line of a history.
package struct ClientRecord: Sendable {
    package var client: Int
    package var number: Int
    package var begin: Micros
    package var end: Micros
    var request: ClientRequest
    var outcome: ClientOutcome
}

/// A request that a process works on.
struct PendingCall {
    var client: any SimulatedCaller
    var number: Int
    var request: ClientRequest
    var principal: Principal
    /// What had been acknowledged to anybody before the request began.
    var floor: LogIndex
    /// Of a lease's question: the second step, a read, follows.
    var remaining: Int64?
    /// Of a lock's: whether its client still waits.
    var ticket: LockTicket?
    /// Of a lock's that has its place, and what had been acknowledged when its turn came.
    var queueID: QueueCallID?
    var entry: QueueEntry?
    var turnFloor = LogIndex.zero
}

/// Whoever is told what came of its requests.
protocol SimulatedCaller: AnyObject {
    func answered(_ number: Int, _ outcome: ClientOutcome)
}

/// A call for a lock, which its client may give up.
final class LockTicket {
    var isOpen = true
}
