package import Primitives
package import Storage

/// What a data directory holds, and what is wrong with it: the result of a ``DirectoryCheck``.
package struct DirectoryReport {
    /// Something that is not as it was written.
    package struct Finding: Equatable, Sendable {
        package enum Weight: String, Sendable {
            /// What a crash may leave, or what has a second copy here: a start mends it.
            case mended
            /// Another member has to give what is lost here.
            case damage
            /// The node does not start.
            case fatal
        }

        package var weight: Weight
        package var path: String
        package var what: String
    }

    package struct CheckpointSummary: Equatable, Sendable {
        package var index: LogIndex
        package var term: Term
        package var revision: Int64
        package var keys: Int
    }

    package internal(set) var findings: [Finding] = []
    package internal(set) var identity: NodeIdentity?
    package internal(set) var hardState: HardState?
    package internal(set) var boot: BootNumber?
    /// The newest first.
    package internal(set) var checkpoints: [CheckpointSummary] = []
    /// First and last entry of the log, and how many segments hold them; nil where it is not read.
    package internal(set) var log: (first: LogIndex, last: LogIndex, segments: Int)?

    /// Whether nothing was found that a start does not mend from what is here.
    package var isSound: Bool { findings.allSatisfy { $0.weight == .mended } }
}
