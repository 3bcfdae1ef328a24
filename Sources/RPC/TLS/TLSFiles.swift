package import NIOSSL

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Why a file of certificates, keys or revocations cannot be used.
package enum TLSFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// - Parameter code: errno.
    case unreadable(path: String, code: Int32)
    case tooLarge(path: String, byteCountMax: Int)
    case noCertificate(path: String)
    case noKey(path: String)
    case keyMismatch(key: String, certificate: String)
    case badRevocationList(path: String, reason: String)

    /// The file that is to blame.
    package var path: String {
        switch self {
        case .unreadable(let path, _), .tooLarge(let path, _), .noCertificate(let path),
            .noKey(let path), .keyMismatch(let path, _), .badRevocationList(let path, _):
            path
        }
    }

    /// What is wrong with it.
    package var reason: String {
        switch self {
        case .unreadable(_, let code): "it cannot be read: \(String(cString: strerror(code)))"
        case .tooLarge(_, let limit): "it is larger than \(limit) bytes"
        case .noCertificate: "it holds no certificate in PEM"
        case .noKey: "it holds no private key in PEM, or one with a passphrase"
        case .keyMismatch(_, let certificate):
            "it is not the key of the certificate in \(certificate)"
        case .badRevocationList(_, let reason): "it is no list of revocations to trust: \(reason)"
        }
    }

    package var description: String { "\(path): \(reason)" }
}

/// Reads what TLS needs from files, in PEM.
package enum TLSFiles {
    /// The largest file that is read, in bytes.
    package static let byteCountMax = 16 << 20

    package static func read(_ path: String) throws(TLSFileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: path, code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = buffer.withUnsafeMutableBytes {
                Platform.read(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(path: path, code: errno) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= byteCountMax else {
                throw .tooLarge(path: path, byteCountMax: byteCountMax)
            }
        }
    }

    /// The certificates in a file, at least one, in their order.
    package static func certificates(
        at path: String
    ) throws(TLSFileError) -> [NIOSSLCertificate] {
        let bytes = try read(path)
        guard let found = try? NIOSSLCertificate.fromPEMBytes(bytes), !found.isEmpty else {
            throw .noCertificate(path: path)
        }
        return found
    }

    package static func key(at path: String) throws(TLSFileError) -> NIOSSLPrivateKey {
        let bytes = try read(path)
        guard let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
            throw .noKey(path: path)
        }
        return key
    }
}

/// The system's functions whose names members here have too.
private enum Platform {
    static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.read(descriptor, buffer, count)
        #elseif canImport(Musl)
            Musl.read(descriptor, buffer, count)
        #endif
    }
}
