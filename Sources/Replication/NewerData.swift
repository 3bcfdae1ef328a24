package import Primitives
package import StateMachine

/// Why a node does not start on data that only another build knows. The data is left as it is.
package enum NewerData: Error, Equatable, Sendable, CustomStringConvertible {
    /// The rows of the checkpoint at this index have a format that this build does not read.
    case checkpoint(LogIndex, format: UInt32, known: FeatureLevel)
    case entry(LogIndex, StoreError, known: FeatureLevel)

    /// The data is not to be trusted to this build (DESIGN §12).
    package static let exitStatus: Int32 = 65

    package var description: String {
        switch self {
        case .checkpoint(let index, let format, let known):
            "the checkpoint at index \(index) has rows of format \(format); this build, which "
                + "knows feature level \(known), reads \(RowFormat.versions(at: known)). "
                + "Start the build that wrote it"
        case .entry(let index, let error, let known):
            "log entry \(index) is not known to this build, which knows feature level \(known) "
                + "(\(error.message)). Start the build that wrote it"
        }
    }
}
