package import Primitives

/// The body of an entry that raises the cluster's level: `u16 level`.
package enum ClusterLevelCommand {
    package static func encode(_ level: FeatureLevel) -> [UInt8] {
        var writer = ByteWriter(capacity: 2)
        writer.write(level.rawValue)
        return writer.bytes
    }

    static func decode(_ body: UnsafeRawBufferPointer) throws(StoreError) -> FeatureLevel {
        guard body.count == 2 else { throw .malformed(offset: body.count) }
        return FeatureLevel(UInt16(body[0]) | UInt16(body[1]) << 8)
    }
}

extension Store {
    /// A level that this node does not know announces entries that it does not know: it stops here,
    /// before the first of them.
    func refuseUnknownLevel(_ body: UnsafeRawBufferPointer) throws(StoreError) {
        let level = try ClusterLevelCommand.decode(body)
        if level > known { throw .unknownLevel(level, known: known) }
    }

    /// The level rises only where every member has said that it knows it: a leader may have
    /// proposed it before a member was added, or started again as an older build. It never falls.
    func raiseClusterLevel(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let level = try ClusterLevelCommand.decode(body)
        guard mayRaiseLevel(to: level) else { return .none }
        members.clusterLevel = level
        applied.membershipChanged = true
        digest.fold(.member, Array(body))
        return .none
    }

    private func mayRaiseLevel(to level: FeatureLevel) -> Bool {
        level > members.clusterLevel && level <= members.levelOfAll && downgradeTarget == nil
    }

    /// What the cluster's level may rise to; nil where it may not.
    package var nextLevel: FeatureLevel? {
        if known == members.clusterLevel { return nil }
        let level = min(known, members.levelOfAll)
        return mayRaiseLevel(to: level) ? level : nil
    }

    /// One job at a time. Which target makes sense is for the server to say that was asked.
    func changeDowngrade(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        switch try DowngradeRequest.decode(body) {
        case .enable(let target):
            if downgradeTarget != nil { throw .downgradeInProgress }
            downgradeTarget = target
        case .cancel:
            if downgradeTarget == nil { throw .noDowngrade }
            downgradeTarget = nil
        }
        digest.fold(.member, Array(body))
        return .downgrade
    }
}

/// What an entry of kind `downgrade` asks for: `u8 number`, 1 with the target's version as text, or
/// 2 alone.
package enum DowngradeRequest: Equatable, Sendable {
    case enable(target: String)
    case cancel

    static let targetBytesMax = 64

    package func encode() -> [UInt8] {
        switch self {
        case .enable(let target): [1] + Array(target.utf8)
        case .cancel: [2]
        }
    }

    /// - Throws: ``StoreError/unknownCommand(version:kind:)`` for a number that this code does not
    ///   know.
    static func decode(_ body: UnsafeRawBufferPointer) throws(StoreError) -> DowngradeRequest {
        guard let number = body.first else { throw .malformed(offset: 0) }
        switch number {
        case 1:
            let text = UnsafeRawBufferPointer(rebasing: body.dropFirst())
            guard (1...targetBytesMax).contains(text.count),
                let target = String(validating: text, as: UTF8.self)
            else { throw .malformed(offset: 1) }
            return .enable(target: target)
        case 2:
            guard body.count == 1 else { throw .malformed(offset: 1) }
            return .cancel
        default: throw .unknownCommand(version: number, kind: CommandKind.downgrade.rawValue)
        }
    }
}
