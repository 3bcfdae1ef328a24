/// A transition of the records of services. What users ask for and what the scheduler decides come
/// the same way: fenced to the leader's term, and judged where it is applied.
package enum ServiceCommand: Equatable, Sendable {
    /// Begins a deployment, or changes nothing where all is as it should be.
    case change(ServiceChange)
    /// Ends a deployment and begins another one that takes it back.
    case rollBack(DeploymentID)
    /// Ends a deployment where it is. Its services become what they were to be, in no order.
    case cancel(DeploymentID)
    /// All that the step asked for is there.
    case advance(DeploymentID, step: UInt32)
    case adjust(ServiceAdjustment)
    /// Instances that users want ended.
    /// - Parameter scales: they are not to be replaced.
    case stop([InstanceID], scales: Bool, isForced: Bool)
    case resetDelay(ServiceID)
}

/// Changes that belong together.
package struct ServiceChange: Equatable, Sendable {
    /// What the writer of a definition knew of the service.
    package enum Basis: Equatable, Sendable {
        /// There is none of that name.
        case none
        /// It has this version.
        case version(UInt64)
        /// Nothing that matters.
        case any
    }

    package enum Part: Equatable, Sendable {
        case put(ServiceDefinition, Basis)
        case remove(ServiceID)
        case restart(ServiceID)
        case putGroup(ServiceID, dependencies: [ServiceID])
        case removeGroup(ServiceID)
    }

    package var parts: [Part]
    /// Deployments that are in the way are ended.
    package var isForced = false

    package init(_ parts: [Part], isForced: Bool = false) {
        self.parts = parts
        self.isForced = isForced
    }
}

/// What the scheduler wants changed of one service's instances, in view of what it saw.
package struct ServiceAdjustment: Equatable, Sendable {
    package var service: ServiceID
    /// Of the active version, which it saw; zero: there was none.
    package var configuration: UInt64
    /// ``ServiceRecord/begun``, as it saw it.
    package var begun: UInt64
    /// How many instances are to be begun.
    package var starts: UInt32 = 0
    package var stops: [InstanceID] = []
    /// Out of reach for too long: they count no more, and end when they come back.
    package var forgets: [InstanceID] = []
    /// What else of the service it is for. Of level ``FeatureLevel/adjustmentBasis``: nil in
    /// entries of before.
    package var basis: Basis?

    /// An end that was decided for one state of a service must not come to another: a deletion
    /// that was taken back, a number of instances that was raised again.
    package struct Basis: Equatable, Sendable {
        /// The version that it has, zero for none.
        package var active: UInt64
        package var isEnding: Bool

        package init(active: UInt64, isEnding: Bool) {
            self.active = active
            self.isEnding = isEnding
        }

        package init(_ record: ServiceRecord) {
            self.init(active: record.active, isEnding: record.isEnding)
        }
    }

    package init(service: ServiceID, configuration: UInt64, begun: UInt64) {
        self.service = service
        self.configuration = configuration
        self.begun = begun
    }

    package var isEmpty: Bool { starts == 0 && stops.isEmpty && forgets.isEmpty }
}

package enum ServiceOutcome: Equatable, Sendable {
    /// - Parameters:
    ///   - deployment: which may be over already.
    ///   - version: the newest that was made.
    case deployment(DeploymentID, version: UInt64)
    case done
}

/// What became of a deployment.
package enum DeploymentEvent: Equatable, Sendable {
    case began
    case advanced
    case done
    /// Another one took its place, or somebody ended it.
    case cancelled
}

/// Why a transition of services is none.
package enum ServiceError: Error, Equatable, Sendable {
    case unknownService(ServiceID)
    case unknownGroup(ServiceID)
    case unknownDeployment(DeploymentID)
    case exists(ServiceID)
    /// A service may not have the path of a group.
    case conflictingPath(ServiceID, with: ServiceID)
    case named(twice: ServiceID)
    case invalid(ServiceID, [ServiceProblem])
    case cyclicDependencies(ServiceID)
    case locked(ServiceID, by: [DeploymentID])
    case moved(ServiceID, known: UInt64, got: UInt64)
    case tooManyDeployments(max: Int)
    case tooMany(what: StaticName, max: Int)
    /// What was decided is about an earlier step, or an earlier state, of it.
    case staleStep(DeploymentID, known: UInt32, got: UInt32)
    case staleAdjustment(ServiceID)
    case instancesRemain(ServiceID)
    /// It was launched, is not to be any more, or never was to be.
    case notWaiting(InstanceID)
    /// The framework of the services cannot be torn down.
    case ownFramework
}

extension ServiceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownService(let id): "App '\(id)' does not exist"
        case .unknownGroup(let id): "Group '\(id)' does not exist"
        case .unknownDeployment(let id): "Deployment \(id) does not exist"
        case .exists(let id): "An app with id [\(id)] already exists."
        case .conflictingPath(let id, let other):
            "Groups and Applications may not have the same identifier: \(id), \(other)"
        case .named(let id): "\(id) is named twice"
        case .invalid(let id, let problems):
            "\(id): "
                + problems.map { "\($0.path): \($0.message)" }.joined(separator: "; ")
        case .cyclicDependencies(let id): "\(id) depends on itself: cyclic dependencies"
        case .locked(let id, let deployments):
            "\(id) is locked by one or more deployments: "
                + deployments.map(\.description).joined(separator: ", ")
        case .moved(let id, let known, let got):
            "\(id) has been changed meanwhile (version \(known), not \(got))"
        case .tooManyDeployments(let max): "Max running deployments count is \(max)"
        case .tooMany(let what, let max): "there are more than \(max) \(what)"
        case .staleStep(let id, let known, let got):
            "deployment \(id) is at step \(known), not \(got)"
        case .staleAdjustment(let id): "\(id) is not as it was any more"
        case .instancesRemain(let id): "instances of \(id) are left"
        case .notWaiting(let id): "instance \(id) is not to be launched"
        case .ownFramework: "the framework of the services cannot be torn down"
        }
    }
}
