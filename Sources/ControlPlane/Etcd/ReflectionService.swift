internal import API
internal import Foundation
internal import RPC
internal import SwiftProtobuf

/// grpc.reflection.v1.ServerReflection, and the same under its older name `v1alpha`: what methods
/// and messages the API has. It tells nothing of what the node holds, so anybody may ask.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class ReflectionService: @unchecked Sendable {
    private lazy var files = DescribedFiles()

    static let paths = ["v1", "v1alpha"].map {
        "/grpc.reflection.\($0).ServerReflection/ServerReflectionInfo"
    }

    func register(in routes: inout RPCRoutes) {
        for path in Self.paths {
            routes.stream(path) { ReflectionStream(call: $0, files: self.files) }
        }
    }
}

/// One stream of questions, each of which is answered before the next is read.
final class ReflectionStream: ServerStream, @unchecked Sendable {
    private let call: ServerCall
    private let files: DescribedFiles
    /// The names of the files that the client has.
    private var sent: Set<String> = []

    /// The longest question; each is sent back with its answer.
    private static let questionBytesMax = 16 << 10

    init(call: ServerCall, files: DescribedFiles) {
        self.call = call
        self.files = files
    }

    func received(_ message: [UInt8]) {
        guard message.count <= Self.questionBytesMax else { return call.finish(.requestTooLarge) }
        guard let question = try? GRPCServerReflectionRequest(serializedBytes: message) else {
            return call.finish(.malformed)
        }
        guard let answer = answer(question) else {
            return call.finish(
                RPCStatus(.invalidArgument, "a reflection request that asks for nothing"))
        }
        var response = GRPCServerReflectionResponse()
        response.validHost = question.host
        response.originalRequest = question
        response.messageResponse = answer
        call.send(response)
        if !call.isWritable { call.pauseReading() }
    }

    func halfClosed() { call.finish(.ok) }
    func closed(cancelled: Bool) {}
    func writable() { call.resumeReading() }

    private func answer(
        _ question: GRPCServerReflectionRequest
    ) -> GRPCServerReflectionResponse.OneOf_MessageResponse? {
        switch question.messageRequest {
        case nil: return nil
        case .fileByFilename(let name): return answer(files.file(name), name)
        case .fileContainingSymbol(let name): return answer(files.file(declaring: name), name)
        case .fileContainingExtension(let wanted):
            // There are none.
            return notFound("extension \(wanted.extensionNumber) of \(wanted.containingType)")
        case .allExtensionNumbersOfType(let name):
            guard files.declaresMessage(name) else { return notFound(name) }
            return .allExtensionNumbersResponse(.with { $0.baseTypeName = name })
        case .listServices:
            var list = GRPCListServiceResponse()
            list.service = files.services.map { name in .with { $0.name = name } }
            return .listServicesResponse(list)
        }
    }

    private func answer(
        _ file: DescribedFiles.File?, _ name: String
    ) -> GRPCServerReflectionResponse.OneOf_MessageResponse {
        guard let file else { return notFound(name) }
        var response = GRPCFileDescriptorResponse()
        response.fileDescriptorProto = files.closure(of: file, without: &sent).map(\.encoded)
        return .fileDescriptorResponse(response)
    }

    private func notFound(
        _ what: String
    ) -> GRPCServerReflectionResponse.OneOf_MessageResponse {
        .errorResponse(
            .with {
                $0.errorCode = Int32(RPCCode.notFound.rawValue)
                $0.errorMessage = "not found: \(what)"
            })
    }
}
