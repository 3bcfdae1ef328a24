internal import Primitives

/// `keelson.AgentPort` of the client port: how an agent finds out what somebody may see of it.
/// `Proto/keelson/agent_port.proto` has the messages, which are read and written by hand.
package enum AgentPort {
    package static let judgePath = "/keelson.AgentPort/Judge"
    package static let ticketPath = "/keelson.AgentPort/Ticket"
    /// What stands before a ticket in an `Authorization` header.
    package static let scheme = "Ticket "

    package static func ticketRequest(agent: String) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, agent)
        return writer.bytes
    }

    /// Of a request or an answer; nil for what is none.
    package static func ticketText(_ body: [UInt8]) -> String? {
        MessageFields(body).map { $0.texts[1]?.last ?? "" }
    }

    package static func ticketAnswer(_ ticket: String) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, ticket)
        return writer.bytes
    }
}

/// What an agent shows on its own port that is not for everybody.
package enum AgentPage: String, Sendable, CaseIterable {
    case files
    case state
    case metrics
}

/// Whether whoever sent a request to an agent may have a page of it.
package struct AgentPageQuestion: Equatable, Sendable {
    /// The agent's id; empty before it has one.
    package var agent: String
    /// An ``AgentPage``, as text: a newer agent may have others.
    package var page: String
    /// The request's `Authorization` headers.
    package var authorization: [String]

    package init(agent: String, page: String, authorization: [String]) {
        self.agent = agent
        self.page = page
        self.authorization = authorization
    }

    /// Nil for what is none.
    package init?(_ body: [UInt8]) {
        guard let fields = MessageFields(body) else { return nil }
        agent = fields.texts[1]?.last ?? ""
        page = fields.texts[2]?.last ?? ""
        authorization = fields.texts[3] ?? []
    }

    package var encoded: [UInt8] {
        var writer = ProtobufWriter(capacity: 256)
        writer.field(1, agent)
        writer.field(2, page)
        for value in authorization { writer.field(3, value) }
        return writer.bytes
    }
}

package struct AgentPageVerdict: Equatable, Sendable {
    /// Of HTTP: 200, or what the request is refused with.
    package var status: Int
    package var message: String

    package init(status: Int, message: String = "") {
        self.status = status
        self.message = message
    }

    /// Nil for what is none.
    package init?(_ body: [UInt8]) {
        guard let fields = MessageFields(body),
            let status = fields.numbers[1].flatMap({ Int(exactly: $0) }),
            (200..<600).contains(status)
        else { return nil }
        self.init(status: status, message: fields.texts[2]?.last ?? "")
    }

    package var encoded: [UInt8] {
        var writer = ProtobufWriter(capacity: 256)
        writer.field(1, UInt64(status))
        writer.field(2, message)
        return writer.bytes
    }
}

/// The fields of a message of texts and numbers.
private struct MessageFields {
    var texts: [UInt32: [String]] = [:]
    var numbers: [UInt32: UInt64] = [:]

    init?(_ body: [UInt8]) {
        let found = body.withUnsafeBytes { bytes in
            var found = (texts: [UInt32: [String]](), numbers: [UInt32: UInt64]())
            do throws(ProtobufError) {
                var reader = ProtobufReader(bytes)
                while let (number, type) = try reader.nextField() {
                    switch type {
                    case .lengthDelimited:
                        let text = String(decoding: try reader.lengthDelimited(), as: UTF8.self)
                        found.texts[number, default: []].append(text)
                    case .varint: found.numbers[number] = try reader.varint()
                    case .fixed64, .fixed32: try reader.skip(type)
                    }
                }
            } catch { return Optional<(texts: [UInt32: [String]], numbers: [UInt32: UInt64])>.none }
            return found
        }
        guard let found else { return nil }
        (texts, numbers) = found
    }
}
