import Foundation
import LocalCluster
import Testing

/// Debian's etcdctl (package etcd-client) against one endpoint.
struct Etcdctl {
    let endpoints: [String]

    init(_ endpoints: [String]) { self.endpoints = endpoints }

    /// Speaks to one node of the shared cluster.
    init(node: Int) throws { endpoints = [try SharedCluster.current.nodes[node].endpoint] }

    private var flags: [String] {
        ["--endpoints", endpoints.joined(separator: ","), "--command-timeout", "15s"]
    }

    private static let environment = ["ETCDCTL_API": "3"]

    /// Runs a command that must succeed; returns what it printed, without a final line break.
    @discardableResult
    func run(_ arguments: String..., input: String? = nil) throws -> String {
        let text = try Command.runSuccessfully(
            "etcdctl", flags + arguments, environment: Self.environment, input: input)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// Runs a command that must fail; returns what it printed.
    func fail(_ arguments: String..., input: String? = nil) throws -> String {
        let output = try Command.run(
            "etcdctl", flags + arguments, environment: Self.environment, input: input)
        #expect(output.status != .exited(0), "etcdctl \(arguments) was to fail: \(output.text)")
        return output.text
    }

    /// Runs a command with `-w json` and reads what it printed.
    func json(_ arguments: String...) throws -> JSON {
        let text = try Command.runSuccessfully(
            "etcdctl", flags + ["-w", "json"] + arguments, environment: Self.environment)
        return try JSON(text)
    }

    /// Starts a command that goes on until it is told to stop, such as a watch.
    func start(_ arguments: String...) throws -> ChildProcess {
        try Command.start("etcdctl", flags + arguments, environment: Self.environment)
    }
}

/// A JSON value with the look-ups that tests need. Numbers keep all 64 bits.
struct JSON {
    private let value: Any?

    init(_ text: String) throws {
        value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    }

    private init(value: Any?) { self.value = value }

    subscript(_ key: String) -> JSON { JSON(value: (value as? [String: Any])?[key]) }
    subscript(_ index: Int) -> JSON {
        let array = value as? [Any] ?? []
        return JSON(value: array.indices.contains(index) ? array[index] : nil)
    }
    var array: [JSON] { (value as? [Any] ?? []).map { JSON(value: $0) } }
    /// A missing number is zero: so protobuf's JSON has it.
    var int: Int64 { (value as? NSNumber)?.int64Value ?? 0 }
    var unsigned: UInt64 { (value as? NSNumber)?.uint64Value ?? 0 }
    var bool: Bool { (value as? NSNumber)?.boolValue ?? false }
    var string: String? { value as? String }
    /// The text inside a base64 string.
    var decoded: String? {
        string.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
    }
}
