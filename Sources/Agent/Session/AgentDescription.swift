internal import API
package import AgentLogic
internal import Foundation
internal import SwiftProtobuf

/// What an agent says of its machine when it registers.
package struct AgentDescription: Equatable, Sendable {
    package var hostname: String
    /// In Mesos' text form: `cpus:4;mem:2048;ports:[31000-31999]`.
    package var resources: String
    package var attributes: [AgentAttribute]
    /// Where this agent serves: `http://host:port`; empty where it does not.
    package var url: String
    package var version: String

    package init(
        hostname: String, resources: String, attributes: [AgentAttribute] = [], url: String = "",
        version: String = ""
    ) {
        self.hostname = hostname
        self.resources = resources
        self.attributes = attributes
        self.url = url
        self.version = version
    }

    var message: MesosAgentInfo {
        var info = MesosAgentInfo()
        info.hostname = hostname
        info.attributes = attributes.map(\.message)
        if let port = URL(string: url)?.port { info.port = Int32(clamping: port) }
        return info
    }

    /// `host:port` where processes of this machine reach the agent; nil where it does not serve.
    var localEndpoint: String? {
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty else {
            return nil
        }
        let isAny = host == "0.0.0.0" || host == "[::]" || host == "::"
        return "\(isAny ? "127.0.0.1" : host):\(parts.port ?? 5051)"
    }

    func describe(_ register: inout WireRegister) {
        register.agentInfo = (try? message.serializedBytes()) ?? Data()
        register.resources = resources
        register.url = url
        register.version = version
    }
}

/// One of `rack:r1;load:0.5;ports:[1-2];zones:{a,b}`, which frameworks choose by.
package struct AgentAttribute: Equatable, Sendable {
    package enum Value: Equatable, Sendable {
        case scalar(Double)
        case ranges([ClosedRange<UInt64>])
        case items([String])
        case text(String)
    }

    package var name: String
    package var value: Value

    /// - Throws: ``AgentError/invalid(field:why:)``.
    package static func list(_ text: String) throws(AgentError) -> [AgentAttribute] {
        var list: [AgentAttribute] = []
        for part in text.split(separator: ";") {
            let trimmed = trim(part)
            if trimmed.isEmpty { continue }
            guard let colon = trimmed.firstIndex(of: ":") else {
                throw .invalid(field: "attributes", why: "'\(trimmed)' has no colon")
            }
            let name = trim(trimmed[..<colon])
            let value = trim(trimmed[trimmed.index(after: colon)...])
            guard !name.isEmpty, !value.isEmpty else {
                throw .invalid(field: "attributes", why: "'\(trimmed)' lacks its name or its value")
            }
            list.append(AgentAttribute(name: String(name), value: try self.value(value)))
        }
        return list
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    private static func value(_ text: Substring) throws(AgentError) -> Value {
        if text.hasPrefix("[") {
            guard text.hasSuffix("]") else {
                throw .invalid(field: "attributes", why: "'\(text)' is not closed")
            }
            var ranges: [ClosedRange<UInt64>] = []
            for part in text.dropFirst().dropLast().split(separator: ",") {
                let ends = part.split(separator: "-").map { UInt64(trim($0)) }
                guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last else {
                    throw .invalid(field: "attributes", why: "'\(part)' is no range")
                }
                ranges.append(first...last)
            }
            return .ranges(ranges)
        }
        if text.hasPrefix("{") {
            guard text.hasSuffix("}") else {
                throw .invalid(field: "attributes", why: "'\(text)' is not closed")
            }
            return .items(
                text.dropFirst().dropLast().split(separator: ",").map { String(trim($0)) })
        }
        if let number = Double(text), number.isFinite { return .scalar(number) }
        return .text(String(text))
    }

    fileprivate var message: MesosAttribute {
        var message = MesosAttribute()
        message.name = name
        switch value {
        case .scalar(let number):
            message.type = .scalar
            message.scalar.value = number
        case .ranges(let ranges):
            message.type = .ranges
            message.ranges.range = ranges.map { range in
                var message = MesosValue.Range()
                message.begin = range.lowerBound
                message.end = range.upperBound
                return message
            }
        case .items(let items):
            message.type = .set
            message.set.item = items
        case .text(let text):
            message.type = .text
            message.text.value = text
        }
        return message
    }
}
