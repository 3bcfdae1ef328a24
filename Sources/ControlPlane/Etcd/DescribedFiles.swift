internal import API
package import Foundation
internal import RPC
internal import SwiftProtobuf

/// What the API declares, file by file: the descriptors that were generated from Proto/.
package struct DescribedFiles: Sendable {
    package struct File: Sendable {
        package let name: String
        /// A google.protobuf.FileDescriptorProto.
        package let encoded: Data
        let imports: [String]
    }

    /// Full names, sorted.
    package private(set) var services: [String] = []
    /// Full names of all methods as gRPC's paths have them.
    package private(set) var methodPaths: Set<String> = []
    private var files: [String: File] = [:]
    private var fileOfSymbol: [String: String] = [:]
    private var messages: Set<String> = []

    /// Those of this API. Cost: about a millisecond.
    package init() {
        let bytes = Base64.decode(Array(FileDescriptors.base64.utf8)) ?? []
        let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes)
        for file in set?.file ?? [] {
            guard let encoded: Data = try? file.serializedBytes() else { continue }
            files[file.name] = File(name: file.name, encoded: encoded, imports: file.dependency)
            for service in file.service {
                let name = "\(file.package).\(service.name)"
                services.append(name)
                fileOfSymbol[name] = file.name
                for method in service.method {
                    fileOfSymbol["\(name).\(method.name)"] = file.name
                    methodPaths.insert("/\(name)/\(method.name)")
                }
            }
            for message in file.messageType { add(message, in: file.package, file.name) }
            for kind in file.enumType { add(kind, in: file.package, file.name) }
        }
        services.sort()
    }

    private mutating func add(
        _ message: Google_Protobuf_DescriptorProto, in scope: String, _ file: String
    ) {
        let name = "\(scope).\(message.name)"
        messages.insert(name)
        fileOfSymbol[name] = file
        for field in message.field { fileOfSymbol["\(name).\(field.name)"] = file }
        for choice in message.oneofDecl { fileOfSymbol["\(name).\(choice.name)"] = file }
        for inner in message.nestedType { add(inner, in: name, file) }
        for kind in message.enumType { add(kind, in: name, file) }
    }

    /// The names of an enum's values stand beside it, not inside.
    private mutating func add(
        _ kind: Google_Protobuf_EnumDescriptorProto, in scope: String, _ file: String
    ) {
        fileOfSymbol["\(scope).\(kind.name)"] = file
        for value in kind.value { fileOfSymbol["\(scope).\(value.name)"] = file }
    }

    package func file(_ name: String) -> File? { files[name] }

    /// The file that declares what has this full name.
    package func file(declaring symbol: String) -> File? {
        fileOfSymbol[symbol].flatMap { files[$0] }
    }

    package func declaresMessage(_ name: String) -> Bool { messages.contains(name) }

    /// The file, and behind it what it needs and was not sent.
    package func closure(of file: File, without sent: inout Set<String>) -> [File] {
        var found: [File] = []
        var waiting = [file.name]
        sent.remove(file.name)
        while let name = waiting.popLast() {
            guard !sent.contains(name), let next = files[name] else { continue }
            sent.insert(name)
            found.append(next)
            waiting += next.imports
        }
        return found
    }
}
