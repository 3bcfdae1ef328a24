import Foundation
import LocalCluster
import Synchronization
import Testing

@Suite("TLS: certificates come and go while members do", .serialized)
struct RotationTests {
    @Test("O06 certificates are renewed and revoked while a member is killed: nobody waits for it")
    func rotation() throws {
        let secure = try SecureCluster("rotation")
        let mallory = try secure.authority.issue("mallory", usage: "clientAuth")
        let folder = secure.authority.certificate.replacingOccurrences(of: "/ca.pem", with: "")
        let server = Credentials(certificate: folder + "/server.pem", key: folder + "/server.key")
        let peers = secure.peers.certificate.replacingOccurrences(of: "/ca.pem", with: "")
        let peer = Credentials(certificate: peers + "/peer.pem", key: peers + "/peer.key")
        let writer = Writer(secure)
        writer.start()
        #expect(writer.waitForMore(3))

        // Those of the servers for clients, and for each other.
        let freshServer = try secure.authority.issue("fresh", usage: "serverAuth")
        try Folder.replace(server.certificate, with: freshServer.certificate)
        try Folder.replace(server.key, with: freshServer.key)
        let oldPeer = Credentials(certificate: peers + "/old.pem", key: peers + "/old.key")
        try FileManager.default.copyItem(atPath: peer.certificate, toPath: oldPeer.certificate)
        let freshPeer = try secure.peers.issue("fresh-peer")
        try Folder.replace(peer.certificate, with: freshPeer.certificate)
        try Folder.replace(peer.key, with: freshPeer.key)
        let serial = try SecureCluster.serial(of: freshServer.certificate)
        for node in secure.nodes {
            let isShown = Patience.wait(.seconds(10), pauseMilliseconds: 200) { () -> Bool? in
                (try? SecureCluster.serial(port: node.clientPort, secure.client)) == serial
                    ? true : nil
            }
            #expect(isShown == true, "\(node.name)")
        }
        #expect(writer.waitForMore(3))

        // The old one of the peers, and a client, are out; a member dies and comes back meanwhile.
        try secure.peers.revoke(oldPeer)
        try secure.peers.writeRevocationList()
        try secure.authority.revoke(mallory)
        try secure.authority.writeRevocationList()
        writer.noteKill()
        secure.nodes[1].killHard()
        #expect(writer.waitForMore(5))
        try secure.nodes[1].start()
        for node in secure.nodes.indices {
            let isRefused = try Patience.wait(.seconds(8), pauseMilliseconds: 300) {
                try secure.get(node: node, as: mallory).status == .exited(69) ? true : nil
            }
            #expect(isRefused == true, "node \(node)")
        }
        try secure.isFine("after all of it")
        let (written, failures) = writer.stop()
        #expect(failures.isEmpty, "\(failures)")
        for number in written {
            #expect(
                try secure.etcdctl(node: 1, "get", "rotation-\(number)", "--print-value-only")
                    == "\(number)")
        }
    }
}

/// Writes one key after the other through whichever server answers, on a thread of its own.
private final class Writer: Sendable {
    private struct State {
        var written: [Int] = []
        var failures: [String] = []
        var killedAt: ContinuousClock.Instant?
        var isOver = false
    }

    private let secure: SecureCluster
    private let state = Mutex(State())
    private let hasEnded = DispatchSemaphore(value: 0)

    init(_ secure: SecureCluster) { self.secure = secure }

    func start() {
        Thread.detachNewThread { [self] in
            var number = 0
            while !state.withLock({ $0.isOver }) {
                number += 1
                write(number)
            }
            hasEnded.signal()
        }
    }

    /// What was under way when its server was killed may fail; nothing else may.
    func noteKill() { state.withLock { $0.killedAt = .now } }

    private func write(_ number: Int) {
        let began = ContinuousClock.now
        let output = try? Command.run(
            try ServerProgram.underTest().path,
            [
                "kv", "put", "rotation-\(number)", "\(number)", "--timeout", "5s", "--endpoints",
                secure.nodes.map(\.clientURL).joined(separator: ","), "--cacert",
                secure.authority.certificate, "--cert", secure.client.certificate, "--key",
                secure.client.key,
            ])
        state.withLock { state in
            if output?.status == .exited(0) { return state.written.append(number) }
            let isExcused = state.killedAt.map { began < $0 + .seconds(1) } ?? false
            if !isExcused { state.failures.append("\(number): \(output?.text ?? "no process")") }
        }
    }

    /// Whether so many more writes are acknowledged soon.
    func waitForMore(_ count: Int) -> Bool {
        let before = state.withLock { $0.written.count }
        return Patience.wait(.seconds(15), pauseMilliseconds: 50) {
            state.withLock { $0.written.count } >= before + count ? true : nil
        } ?? false
    }

    func stop() -> (written: [Int], failures: [String]) {
        state.withLock { $0.isOver = true }
        hasEnded.wait()
        return state.withLock { ($0.written, $0.failures) }
    }
}
