import API
import Foundation
import Glibc
import SwiftProtobuf
import Testing

/// One connection of an executor to its agent. Blocks, with a limit on every wait.
final class ExecutorClient {
    private let socket: Int32
    private var bytes: [UInt8] = []
    private var records = RecordIO.Decoder()
    private var events: [[UInt8]] = []
    private(set) var head = ""
    /// Of the last answer that had a length.
    private(set) var body = ""
    private(set) var isAtEnd = false
    private let encoding: MesosMessage.Encoding
    /// Sent with every call.
    var token: String?

    init(port: Int, _ encoding: MesosMessage.Encoding) throws {
        self.encoding = encoding
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0)
    }

    deinit { close(socket) }

    func call(_ change: (inout MesosExecutorCall) -> Void) throws {
        var call = MesosExecutorCall()
        call.frameworkID.value = "F"
        call.executorID.value = "x"
        change(&call)
        try post(MesosMessage.encode(call, as: encoding))
    }

    func get(_ path: String) throws {
        let request = Array("GET \(path) HTTP/1.1\r\nHost: agent\r\n\r\n".utf8)
        try #require(Glibc.send(socket, request, request.count, 0) == request.count)
    }

    func post(_ body: [UInt8]) throws {
        let type = encoding.contentType.rawValue
        let head =
            "POST /slave(1)/api/v1/executor HTTP/1.1\r\nHost: agent\r\nContent-Type: \(type)\r\n"
            + (token.map { "Authorization: Bearer \($0)\r\n" } ?? "")
            + "Accept: \(type)\r\nContent-Length: \(body.count)\r\n\r\n"
        let request = Array(head.utf8) + body
        try #require(Glibc.send(socket, request, request.count, 0) == request.count)
    }

    /// The status of the answer to the last call, whose body is dropped where it has a length.
    func status() throws -> Int? {
        let end = Array("\r\n\r\n".utf8)
        _ = eventually { find(end) != nil || (!more() && isAtEnd) }
        guard let place = find(end) else { return nil }
        head = String(decoding: bytes[..<place], as: UTF8.self)
        bytes.removeFirst(place + end.count)
        let length = head.lowercased().split(separator: "\r\n").compactMap { line in
            line.hasPrefix("content-length: ") ? Int(line.dropFirst(16)) : nil
        }.first
        if let length {
            _ = eventually { bytes.count >= length || (!more() && isAtEnd) }
            body = String(decoding: bytes.prefix(length), as: UTF8.self)
            bytes.removeFirst(min(length, bytes.count))
        }
        return Int(head.split(separator: " ").dropFirst().first ?? "")
    }

    /// The next event of a stream; nil at its end.
    func event() throws -> MesosExecutorEvent? {
        _ = try eventually {
            try takeChunks()
            return !events.isEmpty || isAtEnd || (!more() && isAtEnd)
        }
        if events.isEmpty { return nil }
        return try MesosMessage.decode(
            MesosExecutorEvent.self, from: events.removeFirst(), as: encoding)
    }

    private func takeChunks() throws {
        while let line = find([13, 10]) {
            let digits = String(decoding: bytes[..<line], as: UTF8.self)
            let count = try #require(Int(digits, radix: 16), "\(digits)")
            guard bytes.count >= line + 2 + count + 2 else { return }
            try records.decode(bytes[(line + 2)..<(line + 2 + count)], into: &events)
            bytes.removeFirst(line + 2 + count + 2)
            if count == 0 { isAtEnd = true }
        }
    }

    private func find(_ part: [UInt8]) -> Int? {
        guard bytes.count >= part.count else { return nil }
        return (0...(bytes.count - part.count)).first {
            bytes[$0..<($0 + part.count)].elementsEqual(part)
        }
    }

    /// Reads what there is within some milliseconds; false where there was nothing.
    private func more() -> Bool {
        var wanted = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&wanted, 1, 20) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket, &buffer, buffer.count, 0)
        if count <= 0 {
            isAtEnd = true
            return false
        }
        bytes += buffer[..<count]
        return true
    }
}
