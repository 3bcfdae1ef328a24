internal import AgentLogic
internal import Dispatch
internal import Glibc
internal import Primitives

/// The agent's end of the socket to one supervisor. Confined to the runner's queue.
final class SupervisorLink {
    private let descriptor: Int32
    private let source: any DispatchSourceRead
    private var frames = FrameBuffer()
    private var isClosed = false

    /// Connects and asks to be told of every change.
    /// - Parameters:
    ///   - onPhase: each phase, as it comes.
    ///   - onEnd: once, when the supervisor is gone or speaks another language.
    /// - Throws: where nobody listens.
    init(
        _ files: RunFiles, queue: DispatchQueue,
        onPhase: @escaping @Sendable (SupervisorPhase) -> Void,
        onEnd: @escaping @Sendable () -> Void
    ) throws(AgentError) {
        let descriptor = try RunSocket.connect(to: files.path)
        self.descriptor = descriptor
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setCancelHandler { close(descriptor) }
        let box = Weak(self)
        source.setEventHandler { box.link?.receive(onPhase, onEnd) }
        source.resume()
        send(.subscribe)
    }

    deinit { source.cancel() }

    func kill(graceMillis: UInt64) { send(.kill(graceMillis: graceMillis)) }

    func end() {
        isClosed = true
        source.cancel()
    }

    /// A few bytes into an empty socket: they fit, or the supervisor has not read for a long time
    /// and the end of the connection will say more.
    private func send(_ request: SupervisorRequest) {
        let frame = FrameBuffer.frame(request.encoded())
        let sent = frame.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if sent != frame.count { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func receive(
        _ onPhase: (SupervisorPhase) -> Void, _ onEnd: () -> Void
    ) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !isClosed {
            let count = buffer.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress, $0.count, 0)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { break }
            frames.append(buffer[0..<count])
            do throws(Primitives.DecodingError) {
                while let frame = try frames.next() { onPhase(try SupervisorPhase(frame)) }
            } catch { break }
        }
        guard !isClosed else { return }
        end()
        onEnd()
    }

    /// The event handler may not keep the link alive. Only used on the link's queue.
    private final class Weak: @unchecked Sendable {
        weak var link: SupervisorLink?
        init(_ link: SupervisorLink) { self.link = link }
    }
}
