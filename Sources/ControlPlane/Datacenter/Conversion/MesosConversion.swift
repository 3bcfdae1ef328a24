internal import API
internal import SwiftProtobuf

/// Messages of mesos.v1 as the values that the rules work with, and back.
///
/// Nothing here traps on what a message says: whatever has no value is refused, in words that its
/// sender is told.
package enum MesosConversion {
    /// A message that was kept as bytes; an empty one where they are none of its kind.
    static func decoded<M: Message>(_ type: M.Type, _ bytes: [UInt8]) -> M {
        (try? M(serializedBytes: bytes, partial: true)) ?? M()
    }

    static func encoded(_ message: some Message) -> [UInt8] {
        MesosMessage.encode(message, as: .protobuf)
    }
}

/// Why a message does not say what it has to, as its sender is told.
package struct MesosConversionError: Error, Equatable, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// What one call, or one subscription, may hold.
enum MesosConversionLimits {
    /// Tasks of a group, all of which one agent runs.
    static let groupTasksMax = 64
    /// What Mesos takes for a refusal, in seconds: a year. More is cut down to it.
    static let refuseSecondsMax = 365.0 * 86_400
    /// Where a call has no filters, or has some that make no sense.
    static let refuseSecondsDefault = 5.0
    /// Of a grace period, in milliseconds: a day.
    static let graceMillisecondsMax: UInt64 = 86_400_000
}
