internal import API
internal import Foundation
internal import StateMachine

/// Who this node, or another, is as a master.
struct MasterIdentity: Sendable {
    /// What version of Mesos' API is spoken: clients parse it.
    static let mesosVersion = "1.11.0"

    var id: String
    var place: ServicePlace
    /// Seconds since 1970.
    var startTime: Double

    private typealias Capability = MesosMasterInfo.Capability

    var info: MesosMasterInfo { Self.info(id: id, place) }

    static func info(id: String, _ place: ServicePlace) -> MesosMasterInfo {
        var info = MesosMasterInfo()
        info.id = id
        info.ip = 0
        if let bytes = place.ipv4 {
            // In network order, as a machine with the low byte first reads it.
            info.ip = bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        info.port = UInt32(clamping: place.port)
        info.pid = "master@\(place.authority)"
        info.hostname = place.host
        info.version = mesosVersion
        info.address = place.address
        info.capabilities = [Capability.TypeEnum.agentUpdate, .agentDraining, .quotaV2].map {
            type in
            var capability = Capability()
            capability.type = type
            return capability
        }
        return info
    }

    /// The one on record, who may be this node; nil before the first, or where it serves no HTTP.
    static func leader(_ record: MasterRecord?) -> MesosMasterInfo? {
        guard let record, let place = ServicePlace(String(decoding: record.url, as: UTF8.self))
        else { return nil }
        return info(id: String(record.member, radix: 16), place)
    }

    static var version: MesosVersionInfo {
        var version = MesosVersionInfo()
        version.version = mesosVersion
        version.buildUser = "keelson"
        version.buildDate = ""
        version.buildTime = 0
        return version
    }

    /// Seconds since 1970.
    static var now: Double { Double(WallClock.milliseconds()) / 1000 }

    /// A random one, in lower case.
    static func randomUUID() -> String { UUID().uuidString.lowercased() }
}
