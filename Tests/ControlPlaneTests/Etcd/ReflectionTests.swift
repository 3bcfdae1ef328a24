import API
import ControlPlane
import Foundation
import RPC
import SwiftProtobuf
import Testing

@Suite("gRPC server reflection, v1 and v1alpha")
struct ReflectionTests {
    private static let versions = ["v1", "v1alpha"]

    private static func path(_ version: String) -> String {
        "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"
    }

    /// Asks one question after another on a stream.
    private func ask(
        _ stream: StreamProbe, _ question: GRPCServerReflectionRequest.OneOf_MessageRequest
    ) async throws -> GRPCServerReflectionResponse {
        let request = GRPCServerReflectionRequest.with {
            $0.host = "here"
            $0.messageRequest = question
        }
        try stream.send(request)
        let response = try await stream.next(GRPCServerReflectionResponse.self)
        #expect(response.validHost == "here" && response.originalRequest == request)
        return response
    }

    private func files(
        _ response: GRPCServerReflectionResponse
    ) throws -> [Google_Protobuf_FileDescriptorProto] {
        try response.fileDescriptorResponse.fileDescriptorProto.map {
            try Google_Protobuf_FileDescriptorProto(serializedBytes: $0)
        }
    }

    @Test("the methods that are described are the methods that are served")
    func complete() async throws {
        let described = DescribedFiles()
        try await EtcdHarness.run { etcd in
            let served = Set(etcd.paths)
            let known = described.methodPaths.subtracting([
                // etcd's clients know it, and no version so far has anything to go back to.
                "/etcdserverpb.Maintenance/Downgrade",
                // Agents': served by a node, and not by the etcd services alone.
                AgentService.path, AgentPort.judgePath, AgentPort.ticketPath,
            ])
            #expect(known.subtracting(served) == [])
            #expect(served.subtracting(described.methodPaths) == [])
        }
    }

    @Test("services are listed, and their files come with what they import", arguments: versions)
    func everyService(version: String) async throws {
        try await EtcdHarness.run { etcd in
            let stream = etcd.stream(Self.path(version))
            let list = try await ask(stream, .listServices("*")).listServicesResponse
            let names = list.service.map(\.name)
            #expect(names == names.sorted())
            for name in [
                "etcdserverpb.KV", "etcdserverpb.Watch", "etcdserverpb.Auth", "v3lockpb.Lock",
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ] { #expect(names.contains(name), "\(name)") }
            var known: Set<String> = []
            for name in names {
                let found = try files(try await ask(stream, .fileContainingSymbol(name)))
                let first = try #require(found.first)
                #expect(first.service.contains { "\(first.package).\($0.name)" == name })
                for file in found { known.insert(file.name) }
                // Nothing is missing, on this stream as a whole.
                for file in found { #expect(known.isSuperset(of: file.dependency), "\(file.name)") }
            }
            stream.halfClose()
            #expect(try await stream.status() == .ok)
        }
    }

    @Test("what is in a file is found by its name; twice, it comes alone", arguments: versions)
    func symbols(version: String) async throws {
        try await EtcdHarness.run { etcd in
            for symbol in [
                "etcdserverpb.RangeRequest", "etcdserverpb.RangeRequest.SortOrder",
                "etcdserverpb.RangeRequest.ASCEND", "etcdserverpb.RangeRequest.key",
                "etcdserverpb.KV.Range", "etcdserverpb.KV",
            ] {
                let stream = etcd.stream(Self.path(version))
                let found = try files(try await ask(stream, .fileContainingSymbol(symbol)))
                #expect(found.first?.package == "etcdserverpb", "\(symbol)")
                #expect(found.count > 1)
                let name = try #require(found.first?.name)
                let again = try files(try await ask(stream, .fileByFilename(name)))
                #expect(again.map(\.name) == [name])
                stream.cancel()
            }
        }
    }

    @Test("what there is not is an answer, and the stream goes on", arguments: versions)
    func missing(version: String) async throws {
        try await EtcdHarness.run { etcd in
            let stream = etcd.stream(Self.path(version))
            let wanted = GRPCExtensionRequest.with {
                $0.containingType = "etcdserverpb.RangeRequest"
                $0.extensionNumber = 1
            }
            for question in [
                .fileByFilename("no.proto"), .fileContainingSymbol("no.Such"),
                .fileContainingSymbol(""), .fileContainingExtension(wanted),
                .allExtensionNumbersOfType("no.Such"),
            ] as [GRPCServerReflectionRequest.OneOf_MessageRequest] {
                let error = try await ask(stream, question).errorResponse
                #expect(error.errorCode == 5 && !error.errorMessage.isEmpty, "\(question)")
            }
            let name = "etcdserverpb.RangeRequest"
            let none = try await ask(stream, .allExtensionNumbersOfType(name))
            #expect(none.allExtensionNumbersResponse.baseTypeName == name)
            #expect(none.allExtensionNumbersResponse.extensionNumber == [])
            try stream.send(GRPCServerReflectionRequest())
            #expect(try await stream.status().code == .invalidArgument)
            let long = etcd.stream(Self.path(version))
            let name2 = String(repeating: "x", count: 20_000)
            try long.send(GRPCServerReflectionRequest.with { $0.fileByFilename = name2 })
            #expect(try await long.status().code == .invalidArgument)
        }
    }

    @Test("no token is needed, and none does harm; nor is a leader")
    func open() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.onLoop { $0.readFailure = .noLeader }
            let early = etcd.stream(Self.path("v1"))
            #expect(try await ask(early, .listServices("")).listServicesResponse.service.count > 9)
            try await etcd.onLoop { $0.readFailure = nil }
            try await etcd.enableAuth()
            for metadata in [[], [("token", "made.1")]] as [EtcdHarness.Metadata] {
                let stream = etcd.stream(Self.path("v1"), metadata: metadata)
                let list = try await ask(stream, .listServices("")).listServicesResponse
                #expect(list.service.count > 9)
                stream.cancel()
            }
        }
    }

    @Test("a client that asks and does not read is not answered without end")
    func slowReader() async throws {
        try await EtcdHarness.run { etcd in
            let stream = etcd.stream(Self.path("v1"))
            stream.pauseReading()
            let request = GRPCServerReflectionRequest.with {
                $0.fileContainingSymbol = "etcdserverpb.KV"
            }
            for _ in 0..<2000 { try stream.send(request) }
            stream.halfClose()
            stream.resumeReading()
            for _ in 0..<2000 {
                _ = try await stream.next(GRPCServerReflectionResponse.self)
            }
            #expect(try await stream.status() == .ok)
        }
    }
}
