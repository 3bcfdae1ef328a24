internal import AgentLogic
internal import Glibc
internal import Primitives

/// One output of the task on its way to its file.
final class SupervisedStream {
    let descriptor: Int32
    let log: OutputLog
    var isAtEnd = false

    init(descriptor: Int32, log: OutputLog) {
        self.descriptor = descriptor
        self.log = log
    }

    /// Bytes that are taken in one go before others get their turn.
    private static let turnBytesMax = 1 << 20

    func pump(_ buffer: UnsafeMutableRawBufferPointer) {
        var taken = 0
        while !isAtEnd, taken < Self.turnBytesMax {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count > 0 {
                log.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                taken += count
            } else if count == 0 {
                isAtEnd = true
                close(descriptor)
            } else if errno != EINTR {
                if errno != EAGAIN {
                    isAtEnd = true
                    close(descriptor)
                }
                return
            }
        }
    }
}

/// An agent, or somebody with its rights, that is connected.
final class SupervisorClient {
    let descriptor: Int32
    var frames = FrameBuffer()
    var outgoing: [UInt8] = []
    var isSubscribed = false
    var isGone = false
    static let outgoingBytesMax = 256 << 10

    init(descriptor: Int32) { self.descriptor = descriptor }

    func send(_ phase: SupervisorPhase) {
        outgoing += FrameBuffer.frame(phase.encoded())
        if outgoing.count > Self.outgoingBytesMax { isGone = true }
        flush()
    }

    func flush() {
        while !outgoing.isEmpty, !isGone {
            let count = outgoing.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                outgoing.removeFirst(count)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                isGone = true
            }
        }
    }
}

extension SupervisorLoop {
    /// Waits for something to do and does it.
    func poll() {
        var entries = [
            pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        let open = streams.filter { !$0.isAtEnd }
        entries += open.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        let asked = clients
        entries += asked.map { client in
            let events = client.outgoing.isEmpty ? POLLIN : POLLIN | POLLOUT
            return pollfd(fd: client.descriptor, events: Int16(events), revents: 0)
        }
        let ready = Glibc.poll(&entries, nfds_t(entries.count), pollTimeout)
        if ready < 0 { return }
        drainWake()
        handleProcess()
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            for (place, stream) in open.enumerated() where entries[2 + place].revents != 0 {
                stream.pump(buffer)
            }
        }
        for (place, client) in asked.enumerated() where entries[2 + open.count + place].revents != 0
        {
            client.flush()
            receive(from: client)
        }
        if entries[1].revents != 0 { accept() }
        for client in clients where client.isGone { close(client.descriptor) }
        clients.removeAll { $0.isGone }
    }

    private func drainWake() {
        var bytes: (UInt64, UInt64) = (0, 0)
        while withUnsafeMutableBytes(of: &bytes, { read(wakeRead, $0.baseAddress, $0.count) }) > 0 {
        }
    }

    private func accept() {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        do throws(AgentError) {
            try RunSocket.setNonBlocking(descriptor)
        } catch {
            close(descriptor)
            return
        }
        if clients.count >= Self.clientsMax {
            close(descriptor)
        } else {
            clients.append(SupervisorClient(descriptor: descriptor))
        }
    }

    private func receive(from client: SupervisorClient) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !client.isGone {
            let count = buffer.withUnsafeMutableBytes {
                recv(client.descriptor, $0.baseAddress, $0.count, 0)
            }
            if count > 0 {
                client.frames.append(buffer[0..<count])
                answer(client)
            } else if count == 0 {
                client.isGone = true
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                client.isGone = true
            }
        }
    }

    private func answer(_ client: SupervisorClient) {
        do throws(Primitives.DecodingError) {
            while let frame = try client.frames.next() {
                switch try SupervisorRequest(frame) {
                case .status: client.send(phase)
                case .kill(let grace): requestKill(graceMillis: grace)
                case .subscribe:
                    client.isSubscribed = true
                    client.send(phase)
                }
            }
        } catch {
            // Whoever speaks another language is not listened to.
            client.isGone = true
        }
    }

    func tellSubscribers() {
        for client in clients where client.isSubscribed { client.send(phase) }
    }
}
