import Foundation
import LocalCluster
import Testing

@Suite("TLS: chains with intermediate certificates", .serialized)
struct ChainTests {
    @Test("A13 a certificate whose CA was revoked by the CA above it is refused by every server")
    func revokedIntermediate() throws {
        let secure = try SecureCluster("chain")
        let office = try secure.authority.subordinate("office")
        let plant = try secure.authority.subordinate("plant")
        let ann = try office.issueWithChain("ann")
        let ben = try plant.issueWithChain("ben")
        for node in secure.nodes.indices {
            #expect(try secure.get(node: node, as: ann).status == .exited(0))
            #expect(try secure.get(node: node, as: ben).status == .exited(0))
        }
        try secure.authority.revoke(office.credentials)
        try secure.authority.writeRevocationList()
        for node in secure.nodes.indices {
            let isRefused = try Patience.wait(.seconds(8), pauseMilliseconds: 300) {
                try secure.get(node: node, as: ann).status == .exited(69) ? true : nil
            }
            #expect(isRefused == true)
            #expect(secure.isLogged(node, "the certificate of 'office' with the serial number"))
            #expect(try secure.get(node: node, as: ben).status == .exited(0))
        }
        try secure.isFine("after an intermediate CA was revoked")
    }

    @Test("A13 a chain with policy constraints is refused beside lists, and ends no server")
    func policyConstraints() throws {
        let secure = try SecureCluster("policies")
        let strict = try secure.authority.subordinate(
            "strict", more: "policyConstraints = requireExplicitPolicy:0")
        let output = try secure.get(as: try strict.issueWithChain("cleo"))
        #expect(output.status == .exited(69), "\(output.text)")
        #expect(secure.isLogged(0, "policy constraints"))
        try secure.isFine("after a chain with policy constraints")
    }
}
