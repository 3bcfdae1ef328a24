internal import API
internal import HTTPTypes

/// A whole answer.
struct SurfaceAnswer: Sendable {
    var status: Int
    var headers = HTTPFields()
    var body: [UInt8] = []

    static func text(_ status: Int, _ message: String) -> SurfaceAnswer {
        var answer = SurfaceAnswer(status: status, body: Array(message.utf8))
        answer.headers[.contentType] = "text/plain; charset=utf-8"
        return answer
    }

    static func json(_ body: [UInt8], status: Int = 200) -> SurfaceAnswer {
        var answer = SurfaceAnswer(status: status, body: body)
        answer.headers[.contentType] = MesosContentType.json.rawValue
        return answer
    }

    static func encoded(_ body: [UInt8], as encoding: MesosMessage.Encoding) -> SurfaceAnswer {
        var answer = SurfaceAnswer(status: 200, body: body)
        answer.headers[.contentType] = encoding.contentType.rawValue
        return answer
    }

    init(status: Int, body: [UInt8] = []) {
        self.status = status
        self.body = body
    }

    init(_ refusal: MesosRefusal) { self = .text(refusal.status, refusal.message) }

    static let accepted = SurfaceAnswer(status: 202)
    static let done = SurfaceAnswer(status: 200)

    /// Not now: the client is to come back, and not at once.
    static func unavailable(_ message: String) -> SurfaceAnswer {
        var answer = text(503, message)
        answer.headers[.retryAfter] = "1"
        return answer
    }

    /// The leader answers this one. Without a scheme, so that it stays the client's (Mesos'
    /// scheduler API says `//host:port/path`).
    /// - Parameter scheme: with its colon, where it is not to stay.
    static func redirect(
        to place: ServicePlace, _ path: String, scheme: String = ""
    ) -> SurfaceAnswer {
        var answer = SurfaceAnswer(status: 307)
        answer.headers[.location] = "\(scheme)//\(place.authority)\(path)"
        return answer
    }

    static func methodNotAllowed(_ allowed: [String], got: String) -> SurfaceAnswer {
        let list = allowed.map { "'\($0)'" }.joined(separator: ", ")
        var answer = text(405, "Expecting one of { \(list) }, but received '\(got)'")
        answer.headers[.allow] = allowed.joined(separator: ", ")
        return answer
    }

    static func notFound(path: some StringProtocol) -> SurfaceAnswer {
        json(
            JSONWriter.object {
                $0.field("error", "not found")
                $0.field("path", String(path.prefix(256)))
            }, status: 404)
    }
}
