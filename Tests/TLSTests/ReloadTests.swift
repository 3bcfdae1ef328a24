import Foundation
import LocalCluster
import Testing

@Suite("TLS: files that change while a server runs", .serialized)
struct ReloadTests {
    private static let shared = Result { try SecureCluster("reload") }
    private let secure: SecureCluster
    private var authority: Authority { secure.authority }

    init() throws { secure = try Self.shared.get() }

    private static let retried = "TLS files have changed and cannot be used"

    @Test(
        "A14 a new certificate is shown to new connections without a restart; a broken one is not")
    func rotation() throws {
        let folder = authority.certificate.replacingOccurrences(of: "/ca.pem", with: "")
        let own = Credentials(certificate: folder + "/server.pem", key: folder + "/server.key")
        let port = secure.nodes[0].clientPort
        let before = try SecureCluster.serial(port: port, secure.client)
        #expect(try before == SecureCluster.serial(of: own.certificate))

        let fresh = try authority.issue("fresh", usage: "serverAuth")
        // One file after the other, as most tools do it: in between they do not fit.
        try Folder.replace(own.certificate, with: fresh.certificate)
        let complained = Patience.wait(.seconds(8), pauseMilliseconds: 300) { () -> Bool? in
            _ = try? SecureCluster.serial(port: port, secure.client)
            return secure.log(0).contains(Self.retried) ? true : nil
        }
        #expect(complained == true)
        #expect(try SecureCluster.serial(port: port, secure.client) == before)
        _ = Patience.wait(.seconds(3), pauseMilliseconds: 300) { () -> Bool? in
            _ = try? SecureCluster.serial(port: port, secure.client)
            return nil
        }
        #expect(secure.log(0).count(of: Self.retried) == 1, "once for each change")

        try Folder.replace(own.key, with: fresh.key)
        let wanted = try SecureCluster.serial(of: fresh.certificate)
        let isShown = Patience.wait(.seconds(8), pauseMilliseconds: 300) { () -> Bool? in
            (try? SecureCluster.serial(port: port, secure.client)) == wanted ? true : nil
        }
        #expect(isShown == true)
        try secure.isFine("after a new certificate")
    }

    @Test("a client whose certificate is revoked is refused from then on, by every server")
    func revocation() throws {
        let bob = try authority.issue("bob", usage: "clientAuth")
        #expect(try secure.get(as: bob).status == .exited(0))
        try authority.revoke(bob)
        try authority.writeRevocationList()
        for node in secure.nodes.indices {
            let isRefused = try Patience.wait(.seconds(8), pauseMilliseconds: 300) {
                try secure.get(node: node, as: bob).status == .exited(69) ? true : nil
            }
            #expect(isRefused == true)
            #expect(secure.isLogged(node, "is revoked"))
        }
        try secure.isFine("after a revocation")
    }

    @Test("a list of revocations that the CA has not signed does not take the place of one it has")
    func forgedList() throws {
        let carol = try authority.issue("carol", usage: "clientAuth")
        try authority.revoke(carol)
        try authority.writeRevocationList()
        _ = try Patience.wait(.seconds(8), pauseMilliseconds: 300) {
            try secure.get(as: carol).status == .exited(69) ? true : nil
        }
        // A CA of the same name, whose list revokes nobody.
        let forger = try Authority("clients-ca", under: try Folder.make("forger"))
        try forger.writeRevocationList()
        try Folder.replace(authority.revocationList, with: forger.revocationList)
        let complained = try Patience.wait(.seconds(8), pauseMilliseconds: 300) { () -> Bool? in
            _ = try secure.get(as: secure.client)
            return secure.log(0).contains("has not signed it") ? true : nil
        }
        #expect(complained == true)
        #expect(try secure.get(as: carol).status == .exited(69))
        try authority.writeRevocationList()
        try secure.isFine("after a forged list")
    }
}
