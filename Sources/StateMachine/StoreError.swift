package import Primitives

/// Why a command or a read was refused. All of them are definite: nothing was changed.
///
/// `message` and `grpcCode` are etcd's where etcd has the case, byte for byte, because clients
/// match on them.
package enum StoreError: Error, Equatable, Sendable {
    case emptyKey
    case keyNotFound
    case valueProvided
    case leaseProvided
    case tooManyOperations
    case duplicateKey
    case invalidSortOption
    case requestTooLarge
    case compacted
    case futureRevision
    case leaseTimeTooLarge
    case leaseNotFound
    case leaseExists
    case noSpace
    case corrupt
    case permissionDenied
    case memberNotFound
    case peerURLExists
    case memberNotLearner
    case tooManyMembers
    case noVoterLeft
    /// Who asks for a member's place has another name or other peer URLs.
    case memberDiffers
    /// Another member is joining: one place is given anew at a time.
    case memberJoining
    case userNameEmpty
    case roleNameEmpty
    case userExists
    case userNotFound
    case roleExists
    case roleNotFound
    case roleNotGranted
    case permissionNotGiven
    case permissionNotGranted
    case authNotEnabled
    case authFailed
    case oldAuthRevision
    case invalidAuthManagement
    case rootUserMissing
    case rootRoleMissing
    /// The table of users, roles and permissions is as large as it may be.
    case tooManyUsers
    case downgradeInProgress
    case noDowngrade
    /// The command was decided in another term than the one it was committed in (DESIGN §6, the
    /// fence).
    case fenced(decidedIn: UInt64, committedIn: UInt64)
    case datacenter(DatacenterError)
    /// Bytes that are not the message they should be.
    case malformed(offset: Int)
    case nestedTooDeep(limit: Int)
    /// An entry of a kind or a version that this program does not know: the node must stop.
    case unknownCommand(version: UInt8, kind: UInt8)
    /// The cluster's level rises to one that this program does not know: the node must stop.
    case unknownLevel(FeatureLevel, known: FeatureLevel)

    package var grpcCode: Int {
        switch self {
        case .emptyKey, .keyNotFound, .valueProvided, .leaseProvided, .tooManyOperations,
            .duplicateKey, .invalidSortOption, .requestTooLarge, .nestedTooDeep, .userNameEmpty,
            .roleNameEmpty, .permissionNotGiven, .authFailed, .oldAuthRevision,
            .invalidAuthManagement:
            return 3
        case .noVoterLeft: return 2
        case .leaseNotFound, .memberNotFound: return 5
        case .permissionDenied: return 7
        case .noSpace, .tooManyUsers: return 8
        case .leaseExists, .peerURLExists, .memberNotLearner, .tooManyMembers, .userExists,
            .userNotFound, .roleExists, .roleNotFound, .roleNotGranted, .permissionNotGranted,
            .authNotEnabled, .rootUserMissing, .rootRoleMissing, .downgradeInProgress, .noDowngrade,
            .memberDiffers, .memberJoining, .datacenter:
            return 9
        case .compacted, .futureRevision, .leaseTimeTooLarge: return 11
        case .malformed: return 13
        case .fenced: return 14
        case .corrupt: return 15
        case .unknownCommand, .unknownLevel: return 12
        }
    }

    package var message: String {
        switch self {
        case .emptyKey: return "etcdserver: key is not provided"
        case .keyNotFound: return "etcdserver: key not found"
        case .valueProvided: return "etcdserver: value is provided"
        case .leaseProvided: return "etcdserver: lease is provided"
        case .tooManyOperations: return "etcdserver: too many operations in txn request"
        case .duplicateKey: return "etcdserver: duplicate key given in txn request"
        case .invalidSortOption: return "etcdserver: invalid sort option"
        case .requestTooLarge: return "etcdserver: request is too large"
        case .compacted: return "etcdserver: mvcc: required revision has been compacted"
        case .futureRevision: return "etcdserver: mvcc: required revision is a future revision"
        case .leaseTimeTooLarge: return "etcdserver: too large lease TTL"
        case .leaseNotFound: return "etcdserver: requested lease not found"
        case .leaseExists: return "etcdserver: lease already exists"
        case .noSpace: return "etcdserver: mvcc: database space exceeded"
        case .corrupt: return "etcdserver: corrupt cluster"
        case .permissionDenied: return "etcdserver: permission denied"
        case .memberNotFound: return "etcdserver: member not found"
        case .peerURLExists: return "etcdserver: Peer URLs already exists"
        case .memberNotLearner: return "etcdserver: can only promote a learner member"
        case .tooManyMembers: return "etcdserver: too many learner members in cluster"
        case .noVoterLeft:
            return "etcdserver: re-configuration failed due to not enough started members"
        case .memberDiffers:
            return "keelson: the member has another name or other peer URLs"
        case .memberJoining: return "keelson: another member is joining"
        case .userNameEmpty: return "etcdserver: user name is empty"
        case .roleNameEmpty: return "etcdserver: role name is empty"
        case .userExists: return "etcdserver: user name already exists"
        case .userNotFound: return "etcdserver: user name not found"
        case .roleExists: return "etcdserver: role name already exists"
        case .roleNotFound: return "etcdserver: role name not found"
        case .roleNotGranted: return "etcdserver: role is not granted to the user"
        case .permissionNotGiven: return "etcdserver: permission not given"
        case .permissionNotGranted: return "etcdserver: permission is not granted to the role"
        case .authNotEnabled: return "etcdserver: authentication is not enabled"
        case .authFailed:
            return "etcdserver: authentication failed, invalid user ID or password"
        case .oldAuthRevision: return "etcdserver: revision of auth store is old"
        case .invalidAuthManagement: return "etcdserver: invalid auth management"
        case .rootUserMissing: return "etcdserver: root user does not exist"
        case .rootRoleMissing: return "etcdserver: root user does not have root role"
        case .tooManyUsers:
            return
                "keelson: users, roles and permissions take more than \(AuthTable.bytesMax) bytes"
        case .downgradeInProgress: return "etcdserver: cluster has a downgrade job in progress"
        case .noDowngrade: return "etcdserver: no inflight downgrade job"
        case .fenced(let decided, let committed):
            return "keelson: decided in term \(decided), committed in term \(committed)"
        case .datacenter(let error): return "keelson: \(error)"
        case .malformed(let offset): return "keelson: malformed message at byte \(offset)"
        case .nestedTooDeep(let limit):
            return "keelson: transactions are nested deeper than \(limit)"
        case .unknownCommand(let version, let kind):
            return "keelson: unknown command of kind \(kind), version \(version)"
        case .unknownLevel(let level, let known):
            return "keelson: unknown feature level \(level), known is \(known)"
        }
    }
}
