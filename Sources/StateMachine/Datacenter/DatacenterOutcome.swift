package import Primitives

/// Which records an entry changed: what masters and views on every node follow.
package enum DatacenterChange: Equatable, Sendable {
    case agent(AgentID)
    case framework(FrameworkID)
    case task(TaskKey)
    case executor(ExecutorKey)
    case role(ByteText)
    case master
    /// Its record, or what it is to be.
    case service(ServiceID)
    case instance(InstanceID, of: ServiceID)
    case deployment(DeploymentID, DeploymentEvent)
}

/// What became of one status that an agent reported. It is acknowledged to the agent but where it
/// is ``busy``.
package enum StatusVerdict: Equatable, Sendable {
    case committed
    /// It is there already.
    case duplicate
    /// There is no such task, its launch was another, or it had ended.
    case moot
    /// The framework has yet to acknowledge ``DatacenterLimits/waitingStatusesMax`` of the task.
    case busy
}

package enum DatacenterOutcome: Equatable, Sendable {
    case done
    case agent(AgentID, session: UInt64)
    case framework(FrameworkID, session: UInt64)
    case statuses([StatusVerdict])
    case service(ServiceOutcome)
}

/// Why a transition of the records is none.
package enum DatacenterError: Error, Equatable, Sendable {
    case invalidName(String)
    case tooLarge(what: StaticName, bytes: Int, max: Int)
    case unknownAgent(AgentID)
    case agentGone(AgentID)
    /// Two work directories under one id.
    case otherIncarnation(AgentID, known: UInt64, got: UInt64)
    /// What was decided is about an earlier connection, or an earlier state, of the agent.
    case oldAgentSession(AgentID, known: UInt64, got: UInt64)
    case agentNotOffered(AgentID)
    /// An agent offers less than what its tasks hold.
    case agentShrank(AgentID)
    case unknownFramework(FrameworkID)
    case frameworkEnded(FrameworkID)
    case otherPrincipal(FrameworkID)
    case oldFrameworkSession(FrameworkID, known: UInt64, got: UInt64)
    case frameworkNotConnected(FrameworkID)
    case unknownTask(TaskKey)
    case duplicateTask(TaskKey)
    case unknownExecutor(ExecutorKey)
    case executorInUse(ExecutorKey)
    case notFree(AgentID, operation: Int)
    case invalidOperation(Int, ResourcesError)
    case tooManyRoles(max: Int)
    case invalidRole
    case service(ServiceError)
    /// The past of the records is compacted as far already, or the revision is none yet.
    case notCompactable(Revision, compacted: Revision, newest: Revision)
}

/// A word of the program's own.
package struct StaticName: Equatable, Sendable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    private let text: StaticString

    package init(stringLiteral text: StaticString) { self.text = text }

    package var description: String { text.description }

    package static func == (one: StaticName, other: StaticName) -> Bool {
        one.description == other.description
    }
}

extension DatacenterError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidName(let name):
            "'\(name)' is no id: 1 to \(DatacenterLimits.nameBytesMax) bytes without spaces,"
                + " slashes and control characters"
        case .tooLarge(let what, let bytes, let max):
            "\(what) has \(bytes) bytes, the limit is \(max)"
        case .unknownAgent(let id): "there is no agent \(id)"
        case .agentGone(let id):
            "agent \(id) was marked as gone: start it with an empty work directory"
        case .otherIncarnation(let id, let known, let got):
            "agent \(id) has another work directory (\(known), not \(got)): two agents with one"
                + " id, or a copied directory"
        case .oldAgentSession(let id, let known, let got):
            "agent \(id) has registered again since (\(known), not \(got))"
        case .agentNotOffered(let id): "agent \(id) is not active and reachable"
        case .agentShrank(let id): "agent \(id) offers less than what its tasks hold"
        case .unknownFramework(let id): "there is no framework \(id)"
        case .frameworkEnded(let id): "framework \(id) has been removed"
        case .otherPrincipal(let id): "framework \(id) belongs to another principal"
        case .oldFrameworkSession(let id, let known, let got):
            "framework \(id) has subscribed again since (\(known), not \(got))"
        case .frameworkNotConnected(let id): "framework \(id) is not connected"
        case .unknownTask(let key): "there is no task \(key)"
        case .duplicateTask(let key): "task \(key) is there already"
        case .unknownExecutor(let key): "there is no executor \(key)"
        case .executorInUse(let key): "executor \(key) has tasks on record"
        case .notFree(let id, let operation):
            "operation \(operation) needs more than what is free on agent \(id)"
        case .invalidOperation(let operation, let error): "operation \(operation): \(error)"
        case .tooManyRoles(let max): "there are \(max) roles already"
        case .invalidRole: "that is no role"
        case .service(let error): error.description
        case .notCompactable(let revision, let compacted, let newest):
            "records cannot be compacted at revision \(revision): they are at \(compacted), the"
                + " newest revision is \(newest)"
        }
    }
}
