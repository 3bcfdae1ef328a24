/// What this build calls itself.
package enum KeelsonVersion {
    /// Keelson's own version.
    package static let keelson = "0.1.0"
    /// The etcd version whose API it speaks: `Status.version`, a plain number because clients parse
    /// it.
    package static let etcdCompatible = "3.7.0"
}
