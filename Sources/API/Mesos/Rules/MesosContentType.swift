/// The media types of the API.
package enum MesosContentType: String, Sendable, Equatable, CaseIterable {
    case json = "application/json"
    case protobuf = "application/x-protobuf"
    /// A stream of records whose own type another header tells.
    case recordIO = "application/recordio"

    /// From a Content-Type header: parameters are not looked at, nor is case.
    package init?(header: String) {
        let type = header.prefix { $0 != ";" }.filter { !$0.isWhitespace }.lowercased()
        self.init(rawValue: type)
    }

    /// That of one message; nil for a stream.
    package var message: MesosMessage.Encoding? {
        switch self {
        case .json: .json
        case .protobuf: .protobuf
        case .recordIO: nil
        }
    }
}

/// The encodings of a request and its answer, from the headers of a request. A header that is
/// there more than once is given joined by commas.
///
/// The rules are those of Mesos but for two: Content-Type may have parameters and any case; and
/// where an Accept header prefers one type by its quality value, that is followed. Equal ones are
/// answered in JSON first, protobuf second, as Mesos does always.
package enum MesosEncodings {
    /// The request's own encoding, which is all that a call without an answer asks for.
    ///
    /// - Throws: 400 without a Content-Type, 415 with another than those of the API. With RecordIO:
    ///   400 without a Message-Content-Type, 415 with an unknown one. Without RecordIO: 415 with a
    ///   Message-Content-Type.
    package static func request(
        contentType: String?, messageContentType: String? = nil, allowsStream: Bool = false
    ) throws(MesosRefusal) -> (encoding: MesosMessage.Encoding, isStream: Bool) {
        guard let contentType else {
            throw .badRequest("Expecting 'Content-Type' to be present")
        }
        guard let type = MesosContentType(header: contentType),
            allowsStream || type.message != nil
        else {
            let types = allowsStream ? MesosContentType.allCases : [.json, .protobuf]
            throw MesosRefusal(415, "Expecting 'Content-Type' of \(list(types))")
        }
        if let message = type.message {
            guard !allowsStream || messageContentType == nil else {
                throw MesosRefusal(
                    415, "Expecting 'Message-Content-Type' to be not set for a single message")
            }
            return (message, false)
        }
        guard let messageContentType else {
            throw .badRequest("Expecting 'Message-Content-Type' to be set for a stream")
        }
        guard let message = MesosContentType(header: messageContentType)?.message else {
            throw MesosRefusal(
                415, "Expecting 'Message-Content-Type' of \(list([.json, .protobuf]))")
        }
        return (message, true)
    }

    /// The answer's encoding.
    ///
    /// - Throws: 406 where nothing that is offered is accepted.
    package static func response(
        accept: String?, messageAccept: String? = nil, allowsRecordIO: Bool = false
    ) throws(MesosRefusal) -> (encoding: MesosMessage.Encoding, isRecordIO: Bool) {
        let offered: [MesosContentType] =
            allowsRecordIO ? [.json, .protobuf, .recordIO] : [.json, .protobuf]
        guard let type = MediaRanges(accept).best(of: offered) else {
            throw MesosRefusal(406, "Expecting 'Accept' to allow \(list(offered))")
        }
        if let message = type.message {
            guard !allowsRecordIO || messageAccept == nil else {
                throw MesosRefusal(
                    406, "Expecting 'Message-Accept' to be not set for a single message")
            }
            return (message, false)
        }
        guard let message = MediaRanges(messageAccept).best(of: [.json, .protobuf])?.message else {
            throw MesosRefusal(
                406, "Expecting 'Message-Accept' to allow \(list([.json, .protobuf]))")
        }
        return (message, true)
    }

    private static func list(_ types: [MesosContentType]) -> String {
        types.map { "'\($0.rawValue)'" }.joined(separator: " or ")
    }
}
