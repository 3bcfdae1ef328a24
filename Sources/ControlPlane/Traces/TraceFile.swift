internal import NIOConcurrencyHelpers
package import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Spans as lines of a file, each an `ExportTraceServiceRequest`, as OpenTelemetry's file exporter
/// writes them.
///
/// The file is opened for each body: whoever moves it away needs to tell nobody.
package struct TraceFile: TraceSink {
    package let path: String
    private let bytesMax: Int

    /// What it may grow to: nobody moves it away, it seems.
    package static let bytesMaxDefault = 1 << 30

    package init(path: String, bytesMax: Int = TraceFile.bytesMaxDefault) {
        self.path = path
        self.bytesMax = bytesMax
    }

    /// Nil if it can be written to; else why it cannot.
    package func problem() -> String? {
        let file = open()
        guard file >= 0 else { return reason() }
        close(file)
        return nil
    }

    package func deliver(_ body: [UInt8], on loop: any EventLoop) -> EventLoopFuture<TraceDelivery>
    {
        loop.makeSucceededFuture(append(body + [UInt8(ascii: "\n")]))
    }

    private func append(_ line: [UInt8]) -> TraceDelivery {
        let file = open()
        guard file >= 0 else { return .failed(reason()) }
        defer { close(file) }
        let size = Int(lseek(file, 0, SEEK_END))
        guard size + line.count <= bytesMax else {
            return .refused("\(path) has \(size) bytes, the most is \(bytesMax): move it away")
        }
        let written = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        if written == line.count { return .taken }
        let reason = reason()
        // Half a line would make the next one unreadable.
        if written > 0 { ftruncate(file, off_t(size)) }
        return .refused(reason)
    }

    private func open() -> CInt {
        #if canImport(Glibc)
            Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        #else
            Musl.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        #endif
    }

    private func reason() -> String { "\(path): \(String(cString: strerror(errno)))" }
}
