import Foundation

/// A connection to an HTTP server that sends what it is told to and reads what comes. Blocking,
/// with a deadline for each wait: for a thread of its own.
final class RawHTTP {
    struct Failure: Error { var what: String }

    struct Response {
        var status: Int
        /// By name in lower case.
        var headers: [String: String]
        var body: [UInt8] = []
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private let socket: Int32
    private var buffer: [UInt8] = []
    private var chunkLeft = 0

    init(port: Int, seconds: Int = 20, receiveBytes: Int32? = nil) throws {
        socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBytes {
            setsockopt(
                socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var deadline = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &deadline, size)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &deadline, size)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(what: "connect: \(errno)") }
    }

    deinit { close(socket) }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(what: "send: \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    func request(
        _ method: String, _ path: String, headers: [String: String] = [:], _ body: [UInt8]? = nil
    ) throws {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        try send(Array((head + "\r\n").utf8) + (body ?? []))
    }

    /// A whole exchange.
    func exchange(
        _ method: String, _ path: String, headers: [String: String] = [:], _ body: [UInt8]? = nil
    ) throws -> Response {
        try request(method, path, headers: headers, body)
        var response = try readHead()
        let count = Int(response.headers["content-length"] ?? "0") ?? 0
        if method != "HEAD" { response.body = try take(count) }
        return response
    }

    func readHead() throws -> Response {
        let head = String(decoding: try take(until: Array("\r\n\r\n".utf8)), as: UTF8.self)
        let lines = head.components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let status = Int(lines[0].split(separator: " ")[1]) ?? 0
        return Response(status: status, headers: headers)
    }

    /// The next record of a chunked stream.
    func readRecord() throws -> [UInt8] {
        var digits: [UInt8] = []
        while true {
            let byte = try readChunked(1)[0]
            if byte == UInt8(ascii: "\n") { break }
            digits.append(byte)
        }
        guard let count = Int(String(decoding: digits, as: UTF8.self)) else {
            throw Failure(what: "no length: \(digits)")
        }
        return try readChunked(count)
    }

    /// The next line of a chunked stream, without its end.
    func readLine() throws -> String {
        var line: [UInt8] = []
        while let byte = try readChunked(1).first, byte != UInt8(ascii: "\n") { line.append(byte) }
        return String(decoding: line, as: UTF8.self)
    }

    private func readChunked(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            if chunkLeft == 0 {
                let line = String(decoding: try take(until: Array("\r\n".utf8)), as: UTF8.self)
                guard let size = Int(line, radix: 16), size > 0 else {
                    throw Failure(what: "the stream ended: '\(line)'")
                }
                chunkLeft = size
            }
            let piece = try take(min(chunkLeft, count - bytes.count))
            bytes += piece
            chunkLeft -= piece.count
            if chunkLeft == 0 { _ = try take(2) }
        }
        return bytes
    }

    /// Whether the server has closed: nothing more comes.
    func isClosed() throws -> Bool {
        do {
            while true { try fill() }
        } catch let failure as Failure {
            if failure.what == "closed" { return true }
            throw failure
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        while buffer.count < count { try fill() }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    private func take(until mark: [UInt8]) throws -> [UInt8] {
        while true {
            if let range = buffer.firstRange(of: mark) {
                defer { buffer.removeFirst(range.upperBound) }
                return Array(buffer[..<range.lowerBound])
            }
            try fill()
        }
    }

    private func fill() throws {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(socket, &bytes, bytes.count, 0)
        guard count >= 0 else {
            throw Failure(what: errno == ECONNRESET ? "closed" : "recv: \(errno)")
        }
        guard count > 0 else { throw Failure(what: "closed") }
        buffer += bytes[..<count]
    }
}

/// Runs what blocks on a thread of its own: the pool of tasks is the server's.
func onThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Swift.Result { try body() }) }.start()
    }
}
