package import Primitives

/// etcdserverpb.AlarmType, without NONE.
package enum AlarmKind: Int32, Sendable, CaseIterable {
    /// The quota is used up: puts, grants and transactions that put are refused.
    case noSpace = 1
    /// Nodes disagree: every write is refused.
    case corrupt = 2
}

/// etcdserverpb.AlarmMember: an alarm that a member raised.
package struct AlarmMember: Equatable, Comparable, Sendable {
    package var member: NodeID
    package var kind: AlarmKind

    package init(member: NodeID, kind: AlarmKind) {
        self.member = member
        self.kind = kind
    }

    package static func < (a: AlarmMember, b: AlarmMember) -> Bool {
        a.kind != b.kind ? a.kind.rawValue < b.kind.rawValue : a.member < b.member
    }
}

/// etcdserverpb.AlarmRequest: action = 1, memberID = 2, alarm = 3.
package struct AlarmRequest: Equatable, Sendable {
    package enum Action: Int32, Sendable { case get = 0, activate, deactivate }

    package var action: Int32 = 0
    package var member: UInt64 = 0
    /// Zero names no alarm.
    package var alarm: Int32 = 0

    package init() {}

    package init(_ action: Action, member: NodeID = .none, kind: AlarmKind? = nil) {
        self.action = action.rawValue
        self.member = member.rawValue
        self.alarm = kind?.rawValue ?? 0
    }

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> AlarmRequest {
        var request = AlarmRequest()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): request.action = try reader.int32()
            case (2, .varint): request.member = try reader.varint()
            case (3, .varint): request.alarm = try reader.int32()
            case (_, let type): try reader.skip(type)
            }
        }
        return request
    }

    package func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, Int64(action))
        writer.field(2, member)
        writer.field(3, Int64(alarm))
        return writer.bytes
    }
}

/// The alarms that are raised, in order. Few: one a member and kind.
package struct AlarmTable: Equatable, Sendable {
    package private(set) var raised: [AlarmMember] = []

    package init() {}

    init(raised: [AlarmMember]) { self.raised = raised.sorted() }

    package func isRaised(_ kind: AlarmKind) -> Bool { raised.contains { $0.kind == kind } }

    /// Carries out a request: what it answers, and whether something changed.
    mutating func perform(_ request: AlarmRequest) -> (answer: [AlarmMember], changed: Bool) {
        let kind = AlarmKind(rawValue: request.alarm)
        switch AlarmRequest.Action(rawValue: request.action) {
        case .get:
            if request.alarm == 0 { return (raised, false) }
            return (raised.filter { $0.kind == kind }, false)
        case .activate:
            guard let kind else { return ([], false) }
            let alarm = AlarmMember(member: NodeID(request.member), kind: kind)
            if raised.contains(alarm) { return ([alarm], false) }
            raised.append(alarm)
            raised.sort()
            return ([alarm], true)
        case .deactivate:
            guard let kind else { return ([], false) }
            let alarm = AlarmMember(member: NodeID(request.member), kind: kind)
            guard let place = raised.firstIndex(of: alarm) else { return ([], false) }
            raised.remove(at: place)
            return ([alarm], true)
        case nil: return ([], false)
        }
    }
}
