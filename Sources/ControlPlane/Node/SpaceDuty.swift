import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// What this node knows of the room on its disk, and does about it.
struct SpaceDuty {
    var shortage = SpaceShortage()
    /// The room for a checkpoint is to be reserved, or to grow.
    var isReserveDue = true
    /// The last checkpoint was skipped for want of room.
    var checkpointFoundNone = false
}

extension Node {
    /// The log cannot take what it is given: nothing of it was acknowledged, and nothing will be,
    /// so the others must do without this node's vote and disk.
    func ranOutOfSpace(_ error: StorageError) {
        let input = space.shortage.began(error, replica.settings)
        guard case .outOfSpace(let operation, let path, let bytes) = error else { return }
        logger.error(
            """
            the disk is full: this node hands leadership on and neither votes nor acknowledges, \
            while the other members go on. Free space on this disk, or make it larger: the node \
            tries again every second and comes back by itself
            """,
            metadata: [
                "operation": "\(operation)", "path": "\(path)", "bytes needed": "\(bytes)",
                "last durable index": "\(replica.raft.durableIndex)",
            ])
        step(input)
        lookForRoom()
    }

    func hasRoomAgain() {
        logger.notice(
            "there is room on the disk again: this node takes part as before",
            metadata: ["last durable index": "\(replica.raft.durableIndex)"])
        step(space.shortage.ended())
    }

    /// Once a tick.
    func lookForRoom() {
        guard !stopping else { return }
        let due = space.shortage.tick(isTransferring: replica.raft.isTransferring)
        if let input = due.input { step(input) }
        if due.retries { submitLog(.retry) }
    }

    /// It is skipped, and the next one tries again; until then the log is not released.
    func checkpointFoundNoRoom(_ error: StorageError) {
        guard !space.checkpointFoundNone else { return }
        space.checkpointFoundNone = true
        logger.error(
            """
            no room for a checkpoint, not even what is reserved for one: it is skipped, and the \
            log grows until one succeeds. Free space on this disk
            """, metadata: ["reason": "\(error)"])
    }
}
