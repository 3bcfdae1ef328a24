internal import Crypto
internal import DashboardAssets

/// A file of the dashboard's pages, as it is compiled into the program.
struct DashboardFile: Sendable {
    var contentType: String
    var bytes: [UInt8]
    /// Of its bytes, in quotes.
    var entityTag: String

    /// By name.
    static let all: [String: DashboardFile] = {
        var files: [String: DashboardFile] = [:]
        for place in 0..<dashboard_asset_count() {
            let asset = dashboard_asset_at(place)
            let bytes = Array(UnsafeBufferPointer(start: asset.bytes, count: asset.count))
            let digest = SHA256.hash(data: bytes).prefix(12)
            let digits = Array("0123456789abcdef".utf8)
            let tag = digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
            files[String(cString: asset.name)] = DashboardFile(
                contentType: String(cString: asset.type), bytes: bytes,
                entityTag: "\"\(String(decoding: tag, as: UTF8.self))\"")
        }
        return files
    }()
}
