/// What is to run, as its users say it: the fields of a Marathon app that the scheduler, the agents
/// or discovery make use of. Amounts are in thousandths, time spans in milliseconds.
package struct ServiceDefinition: Equatable, Sendable {
    package struct Pair: Equatable, Sendable {
        package var name: ByteText
        package var value: ByteText

        package init(_ name: ByteText, _ value: ByteText) {
            self.name = name
            self.value = value
        }
    }

    package struct Artifact: Equatable, Sendable {
        package var uri: ByteText
        package var isExtracted = true
        package var isExecutable = false
        package var isCached = false
        /// Empty: the last part of the URI.
        package var outputFile: ByteText = ""

        package init(uri: ByteText) { self.uri = uri }
    }

    package struct Port: Equatable, Sendable {
        /// Zero: any.
        package var number: UInt16
        /// Empty: none.
        package var name: ByteText = ""
        /// `tcp`, `udp` or `udp,tcp`.
        package var networkProtocol: ByteText = "tcp"
        package var labels: [Pair] = []

        package init(_ number: UInt16) { self.number = number }
    }

    package enum Operator: UInt8, Sendable, CaseIterable {
        case unique = 1
        case cluster, groupBy, like, unlike, maxPer, equal
    }

    package struct Constraint: Equatable, Sendable {
        /// `@hostname`, `@region`, `@zone`, or the name of an attribute; `hostname` as well.
        package var field: ByteText
        package var test: Operator
        package var value: ByteText?

        package init(_ field: ByteText, _ test: Operator, _ value: ByteText? = nil) {
            self.field = field
            self.test = test
            self.value = value
        }
    }

    package struct HealthCheck: Equatable, Sendable {
        package enum Kind: UInt8, Sendable {
            case command = 1
            case http, https, tcp
        }

        package var kind: Kind
        package var path: ByteText = "/"
        /// A port of its own, or one of the service's by its place.
        package var port: UInt16?
        package var portIndex: UInt16 = 0
        package var command: ByteText = ""
        package var graceMilliseconds: UInt64 = 300_000
        package var intervalMilliseconds: UInt64 = 60_000
        package var timeoutMilliseconds: UInt64 = 20_000
        package var delayMilliseconds: UInt64 = 15_000
        package var failuresMax: UInt32 = 3
        /// Marathon's older names for the same are told apart by those who ask for it back.
        package var isOlderName = false

        package init(_ kind: Kind) { self.kind = kind }
    }

    package struct ReadinessCheck: Equatable, Sendable {
        package var name: ByteText = "readinessCheck"
        package var isHTTPS = false
        package var path: ByteText = "/"
        package var portName: ByteText = "http-api"
        package var intervalMilliseconds: UInt64 = 30_000
        package var timeoutMilliseconds: UInt64 = 10_000
        package var readyCodes: [UInt16] = [200]
        package var preservesLastResponse = false

        package init() {}
    }

    package enum KillSelection: UInt8, Sendable {
        case youngestFirst = 1
        case oldestFirst
    }

    package enum UnreachableStrategy: Equatable, Sendable {
        /// It is waited for, for ever.
        case disabled
        /// - Parameters:
        ///   - inactiveAfter: until it is replaced.
        ///   - expungeAfter: until it is forgotten, and ends when it comes back.
        case replaced(inactiveAfter: UInt64, expungeAfter: UInt64)
    }

    package var id: ServiceID
    /// A line for the shell, or a program with its arguments, or neither where a container has one.
    package var command: ByteText?
    package var arguments: [ByteText]?
    package var cpus: Int64 = 1_000
    package var mem: Int64 = 128_000
    package var disk: Int64 = 0
    package var gpus: Int64 = 0
    package var instances: UInt32 = 1
    /// Sorted by name, as labels are.
    package var environment: [Pair] = []
    package var labels: [Pair] = []
    package var artifacts: [Artifact] = []
    package var ports: [Port] = [Port(0)]
    /// Whether ports with a number are to be exactly those.
    package var requiresPorts = false
    package var constraints: [Constraint] = []
    package var healthChecks: [HealthCheck] = []
    package var readinessChecks: [ReadinessCheck] = []
    /// Of the instances, in thousandths: what stays healthy during an upgrade, and what may run
    /// beyond them.
    package var minimumHealthCapacity: UInt32 = 1_000
    package var maximumOverCapacity: UInt32 = 1_000
    package var backoffMilliseconds: UInt64 = 1_000
    /// In thousandths.
    package var backoffFactor: UInt32 = 1_150
    package var backoffMaxMilliseconds: UInt64 = 300_000
    package var killSelection = KillSelection.youngestFirst
    package var unreachable = UnreachableStrategy.replaced(inactiveAfter: 0, expungeAfter: 0)
    /// Nil: the agent's own.
    package var killGraceMilliseconds: UInt64?
    /// Services and groups.
    package var dependencies: [ServiceID] = []
    /// Of whose resources it may take; empty: unreserved ones and its own role's.
    package var acceptedRoles: [ByteText] = []
    package var user: ByteText?
    package var role: ByteText = ResourceNames.anyRole

    package init(id: ServiceID) { self.id = id }

    /// The same, but for the number of instances: what needs no restart.
    package func isSame(but other: ServiceDefinition) -> Bool {
        var same = other
        same.instances = instances
        // By bytes: two texts that only look alike are two.
        return same.encode() == encode()
    }

    /// - Returns: thousandths of `instances`, rounded up.
    package var minimumHealthy: Int {
        let (product, _) = UInt64(instances).multipliedReportingOverflow(
            by: UInt64(minimumHealthCapacity))
        return Int((product + 999) / 1_000)
    }

    /// How many may run during an upgrade. One more than need stay, so that it can go on.
    package var maximumTotal: Int {
        let product = UInt64(instances) * (1_000 + UInt64(maximumOverCapacity))
        let total = Int(product / 1_000)
        return total > minimumHealthy ? total : minimumHealthy + 1
    }
}
