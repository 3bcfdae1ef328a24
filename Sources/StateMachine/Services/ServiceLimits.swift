/// What services may ask for. Whatever passes a limit is refused at apply, with the field's path.
package enum ServiceLimits {
    package static let idBytesMax = 200
    /// A definition as its record holds it.
    package static let definitionBytesMax = 512 << 10
    package static let servicesMax = 20_000
    package static let instancesMax: UInt32 = 100_000
    /// Kept of each service, beyond those that are in use.
    package static let versionsMax = 25
    /// Services that one change may name.
    package static let changesMax = 1_000
    /// As in Marathon (`max_running_deployments`): beyond it, changes are refused.
    package static let deploymentsMax = 100
    package static let groupsMax = 20_000
    /// Instances that one entry begins, or ends.
    package static let batchMax = 200
    /// Of a list in a definition: ports, constraints, checks, dependencies, URIs.
    package static let listMax = 256
    /// Variables, or labels.
    package static let pairsMax = 1_024
    package static let messageBytesMax = 1_024
    /// Of a time span: ten years.
    package static let millisecondsMax: UInt64 = 10 * 366 * 86_400_000
    package static let factorMax: UInt32 = 1_000_000
}
