package import Storage

/// Why a node stopped by itself.
package enum NodeHalt: Error, Sendable, CustomStringConvertible {
    case replica(ReplicaHalt)
    case storage(StorageError)

    package var exitStatus: Int32 {
        switch self {
        case .replica(.removed): 0
        case .replica: 65
        case .storage(let error): error.exitStatus
        }
    }

    package var description: String {
        switch self {
        case .replica(let halt): halt.description
        case .storage(let error): error.description
        }
    }
}

extension StorageError {
    /// Whether the process that met it must stop: the disk, not what was to be put on it, is at
    /// fault.
    package var isFatal: Bool {
        switch self {
        case .io, .syncFailed, .database, .corrupt, .foreign, .newerFormat, .locked,
            .unsafeDirectory:
            true
        case .outOfSpace, .notFound, .alreadyExists, .rot, .notInLog, .entryTooLarge, .tooLarge,
            .rottenCheckpoint, .invalidSnapshot:
            false
        }
    }
}
