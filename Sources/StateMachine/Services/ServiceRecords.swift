/// A service as the cluster has agreed on it: `/keelson/local/services/PATH`. What it is to be
/// stands in its versions.
package struct ServiceRecord: Equatable, Sendable {
    package struct Failure: Equatable, Sendable {
        package var instance: InstanceID
        package var agent: AgentID
        package var state: TaskState
        package var message: ByteText
        /// The leader's time of day in milliseconds.
        package var clock: UInt64
        package var version: UInt64
    }

    package var id: ServiceID
    /// The newest version: what its users see, and what it will be.
    package var latest: UInt64
    /// The version that the scheduler goes by; zero before a deployment has come to it.
    package var active: UInt64 = 0
    /// It is to have no instances, and then to go.
    package var isEnding = false
    /// The deployment that has it, and lets nobody else change it; zero: none.
    package var deployment = DeploymentID(0)
    /// Instances that were ever begun: a decision that was made in view of another number is stale.
    package var begun: UInt64 = 0
    /// How long the next instance waits after a failure, in milliseconds; zero: not at all.
    package var backoffMilliseconds: UInt64 = 0
    /// The cluster's time until which none is launched.
    package var delayedUntil: UInt64 = 0
    package var lastFailure: Failure?
    /// The leader's time of day at which its number of instances, and anything else of it, was
    /// changed last, in milliseconds.
    package var scaledClock: UInt64 = 0
    package var configuredClock: UInt64 = 0

    package init(id: ServiceID, latest: UInt64) {
        self.id = id
        self.latest = latest
    }
}

/// What a service was to be from some moment on: `/keelson/local/service-versions/PATH:VERSION`.
/// Written once.
package struct ServiceVersion: Equatable, Sendable {
    /// The leader's time of day in milliseconds, made to grow with each version of the service.
    package var number: UInt64
    /// The first version of which instances need no restart to be of this one.
    package var configuration: UInt64
    package var definition: ServiceDefinition

    package init(number: UInt64, configuration: UInt64, definition: ServiceDefinition) {
        self.number = number
        self.configuration = configuration
        self.definition = definition
    }
}

/// One life of one task of a service: `/keelson/local/instances/ID`. How it goes stands in the
/// task's own record, and is never said twice.
package struct InstanceRecord: Equatable, Sendable {
    package enum Phase: UInt8, Sendable {
        /// It waits for an offer.
        case waiting = 1
        /// There is a task of this name. When that ends, the instance goes in the same entry.
        case launched = 2
    }

    package var id: InstanceID
    package var service: ServiceID
    /// Of the service, at which it was begun.
    package var version: UInt64
    package var configuration: UInt64
    /// Grows with every instance that is begun.
    package var sequence: UInt64
    package var phase = Phase.waiting
    /// The leader's time of day at which it was begun, in milliseconds.
    package var clock: UInt64 = 0

    package init(
        id: InstanceID, service: ServiceID, version: UInt64, configuration: UInt64,
        sequence: UInt64
    ) {
        self.id = id
        self.service = service
        self.version = version
        self.configuration = configuration
        self.sequence = sequence
    }
}

/// Changes of services that belong together, on their way: `/keelson/local/deployments/NUMBER`. It
/// goes when it is done.
package struct DeploymentRecord: Equatable, Sendable {
    package enum Action: UInt8, Sendable {
        case start = 1
        case scale, restart, stop
    }

    package struct Part: Equatable, Sendable {
        package var service: ServiceID
        package var action: Action
        /// The version before; zero: there was none.
        package var from: UInt64
        /// Zero: it is to go.
        package var to: UInt64
        /// The step in which it is done, from 0.
        package var step: UInt32
    }

    package var id: DeploymentID
    /// Sorted by step, then by service.
    package var parts: [Part]
    /// The step that it is at.
    package var step: UInt32 = 0
    /// The leader's time of day at which it began, in milliseconds.
    package var clock: UInt64

    package init(id: DeploymentID, parts: [Part], clock: UInt64) {
        self.id = id
        self.parts = parts
        self.clock = clock
    }

    package var stepCount: UInt32 { (parts.last?.step ?? 0) + 1 }

    package var currentParts: ArraySlice<Part> {
        let first = parts.firstIndex { $0.step >= step } ?? parts.endIndex
        let end = parts.firstIndex { $0.step > step } ?? parts.endIndex
        return parts[first..<end]
    }
}

/// What was said of a group of services itself: `/keelson/local/service-groups/PATH`. Groups that
/// are nothing but the path of a service have none.
package struct ServiceGroupRecord: Equatable, Sendable {
    package var id: ServiceID
    package var dependencies: [ServiceID]
    /// The leader's time of day at which it was changed last, in milliseconds.
    package var clock: UInt64

    package init(id: ServiceID, dependencies: [ServiceID] = [], clock: UInt64 = 0) {
        self.id = id
        self.dependencies = dependencies
        self.clock = clock
    }
}
