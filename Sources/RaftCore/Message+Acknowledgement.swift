package import Primitives

extension Message {
    /// The index up to which the sender says that its disk holds what the leader's log holds; nil
    /// for any other message.
    package var acknowledgedIndex: LogIndex? {
        if case .appendEntriesResponse(.matched(let index)) = body { return index }
        return nil
    }
}
